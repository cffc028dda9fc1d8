"""From a fitted binary classifier to an ONNX file that says exactly what the classifier says.

Three libraries, one form: a single TreeEnsembleClassifier behind the float32 input `features` (rows x features), with
the outputs `label` and `probabilities` (rows x 2, never a ZipMap). The exporters lose three things on the way, which
are put right here:

1. skl2onnx drops a forest's `missing_go_to_left`, so that every NaN goes right;
2. onnxmltools rounds LightGBM's double thresholds to the nearest float32, which may lie on the other side of a value;
3. none of them writes covers. `write_covers` puts into `nodes_hitrates` the training rows that reached each node: that is
   the attribute's meaning, ONNX Runtime ignores it in scoring, and attributions need it.
"""

import json

import numpy as np
import onnx
from onnx import helper

INPUT_NAME = "features"
OPSET = {"": 15, "ai.onnx.ml": 1}


def export_classifier(estimator, feature_count: int) -> onnx.ModelProto:
    """The ONNX form of a fitted scikit-learn forest or gradient boosting, LGBMClassifier or XGBClassifier."""
    library = type(estimator).__module__.split(".")[0]
    exporters = {"sklearn": _export_sklearn, "lightgbm": _export_lightgbm, "xgboost": _export_xgboost}
    if library not in exporters:
        raise ValueError(f"{type(estimator).__name__} is of {library}; known are {', '.join(exporters)}")
    model = exporters[library](estimator, feature_count)
    _let_any_number_of_rows_out(model)
    onnx.checker.check_model(model)
    return model


def export_pipeline(pipeline, feature_count: int) -> onnx.ModelProto:
    """The ONNX form of a fitted scikit-learn pipeline that ends in a classifier, with the same input and outputs."""
    model = _sklearn_to_onnx(pipeline, feature_count)
    onnx.checker.check_model(model)
    return model


def write_covers(model: onnx.ModelProto, estimator) -> None:
    """Sets `nodes_hitrates` to the weight of training rows at each node, as the trainer itself counts it: a forest's rows
    as often as they were drawn, LightGBM's rows, the sums of XGBoost's second derivatives."""
    node = _tree_node(model)
    arrays = _TreeArrays(node)
    covers = np.zeros(len(arrays.is_leaf))
    for root, tree in zip(arrays.roots, _cover_trees(estimator), strict=True):
        _copy_covers(tree, root, arrays, covers)
    _replace_attribute(node, "nodes_hitrates", covers.astype(np.float32).tolist())


def probabilities(model: onnx.ModelProto, rows: np.ndarray) -> np.ndarray:
    """P(fraud) of each row as ONNX Runtime, the reference scorer, computes it: float32, on one thread."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(["probabilities"], {INPUT_NAME: np.ascontiguousarray(rows, dtype=np.float32)})[0][:, 1]


def parity_vectors(model: onnx.ModelProto, rows: np.ndarray) -> dict:
    """The content of parity.json: rows of float32 inputs, null for NaN, and the reference scorer's probabilities.

    Each row is scored by itself, as the service does: where operators multiply matrices, other rows beside it change the
    last bits.
    """
    rows = np.asarray(rows, dtype=np.float32)
    return {
        "inputs": [[None if np.isnan(value) else float(value) for value in row] for row in rows],
        "probabilities": [float(probabilities(model, row[np.newaxis])[0]) for row in rows],
    }


def assert_same_probabilities(model: onnx.ModelProto, estimator, rows: np.ndarray, tolerance: float = 1e-5) -> float:
    """The largest difference between exported and fitted classifier over `rows`; raises where it exceeds `tolerance`.

    A wrong turn at one node moves a probability by far more than the float32 noise that `tolerance` allows. Give rows
    with NaN in every feature that may be missing in production: LightGBM takes NaN for 0 where it saw none in training.
    """
    rows = np.asarray(rows, dtype=np.float32)
    difference = np.abs(probabilities(model, rows) - estimator.predict_proba(rows)[:, 1])
    worst = int(difference.argmax())
    if difference[worst] > tolerance:
        count = int((difference > tolerance).sum())
        raise ValueError(
            f"{count} of {len(rows)} rows differ by more than {tolerance}; "
            f"row {worst} by {difference[worst]:.6f}: {rows[worst].tolist()}"
        )
    return float(difference[worst])


def _export_sklearn(estimator, feature_count: int) -> onnx.ModelProto:
    model = _sklearn_to_onnx(estimator, feature_count)
    _write_missing_directions(model, estimator)
    return model


def _sklearn_to_onnx(estimator, feature_count: int) -> onnx.ModelProto:
    from skl2onnx import to_onnx
    from skl2onnx.common.data_types import FloatTensorType

    return to_onnx(
        estimator,
        initial_types=[(INPUT_NAME, FloatTensorType([None, feature_count]))],
        options={"zipmap": False},
        target_opset=OPSET,
    )


def _export_lightgbm(estimator, feature_count: int) -> onnx.ModelProto:
    from onnxmltools import convert_lightgbm
    from onnxmltools.convert.common.data_types import FloatTensorType

    types = [(INPUT_NAME, FloatTensorType([None, feature_count]))]
    model = convert_lightgbm(estimator, initial_types=types, zipmap=False, target_opset=OPSET[""])
    _round_thresholds_down(model, estimator)
    return model


def _export_xgboost(estimator, feature_count: int) -> onnx.ModelProto:
    from onnxmltools import convert_xgboost
    from onnxmltools.convert.common.data_types import FloatTensorType

    types = [(INPUT_NAME, FloatTensorType([None, feature_count]))]
    return convert_xgboost(estimator, initial_types=types, target_opset=OPSET[""])


def _write_missing_directions(model: onnx.ModelProto, estimator) -> None:
    """skl2onnx writes the nodes in the order of each fitted tree's own arrays, so that the two align one to one."""
    fitted = [getattr(tree, "tree_", None) for tree in np.ravel(estimator.estimators_)]
    is_leaf = np.concatenate([tree.children_left == -1 for tree in fitted])
    to_left = np.concatenate([tree.missing_go_to_left for tree in fitted])
    node = _tree_node(model)
    if not np.array_equal(is_leaf, _TreeArrays(node).is_leaf):
        raise ValueError("skl2onnx no longer writes nodes in the order of tree_: the directions of NaN would be wrong")
    tracks = np.where(is_leaf, 0, to_left).astype(int)
    _replace_attribute(node, "nodes_missing_value_tracks_true", tracks.tolist())


def _round_thresholds_down(model: onnx.ModelProto, estimator) -> None:
    """For a float32 value x, `x <= threshold` holds exactly if x is at most the next float32 at or below it."""
    doubles = {}
    for tree in estimator.booster_.dump_model()["tree_info"]:
        _collect_thresholds(tree["tree_structure"], doubles)
    node = _tree_node(model)
    values = [
        value if is_leaf else doubles[np.float32(value)]
        for value, is_leaf in zip(_attribute(node, "nodes_values"), _TreeArrays(node).is_leaf)
    ]
    _replace_attribute(node, "nodes_values", values)


def _collect_thresholds(structure: dict, doubles: dict) -> None:
    """Fills `doubles`: from a threshold's nearest float32, as exported, to the largest float32 not above it."""
    if "threshold" not in structure:
        return
    threshold = float(structure["threshold"])
    with np.errstate(over="ignore"):  # LightGBM's word for infinity is 1e300
        nearest = np.float32(threshold)
    below = np.nextafter(nearest, np.float32(-np.inf)) if float(nearest) > threshold else nearest
    # Two doubles of one nearest float32, one on each side of it, cannot be told apart in the exported arrays.
    if doubles.setdefault(nearest, float(below)) != float(below):
        doubles[nearest] = float(nearest)
    _collect_thresholds(structure["left_child"], doubles)
    _collect_thresholds(structure["right_child"], doubles)


# A tree of covers: (cover, tree where the comparison is true, tree where it is not), or (cover,) of a leaf.


def _cover_trees(estimator) -> list[tuple]:
    library = type(estimator).__module__.split(".")[0]
    if library == "sklearn":
        return [_sklearn_covers(tree.tree_, 0) for tree in np.ravel(estimator.estimators_)]
    if library == "lightgbm":
        return [_lightgbm_covers(tree["tree_structure"]) for tree in estimator.booster_.dump_model()["tree_info"]]
    dumps = estimator.get_booster().get_dump(dump_format="json", with_stats=True)
    return [_xgboost_covers(json.loads(dump)) for dump in dumps]


def _sklearn_covers(tree, node: int) -> tuple:
    cover = tree.weighted_n_node_samples[node]
    if tree.children_left[node] == -1:
        return (cover,)
    return cover, _sklearn_covers(tree, tree.children_left[node]), _sklearn_covers(tree, tree.children_right[node])


def _lightgbm_covers(node: dict) -> tuple:
    if "split_index" not in node:
        return (node.get("leaf_count", 1),)
    return node["internal_count"], _lightgbm_covers(node["left_child"]), _lightgbm_covers(node["right_child"])


def _xgboost_covers(node: dict) -> tuple:
    if "children" not in node:
        return (node["cover"],)
    children = {child["nodeid"]: child for child in node["children"]}
    return node["cover"], _xgboost_covers(children[node["yes"]]), _xgboost_covers(children[node["no"]])


def _copy_covers(tree: tuple, at: int, arrays: "_TreeArrays", covers: np.ndarray) -> None:
    covers[at] = tree[0]
    if arrays.is_leaf[at] != (len(tree) == 1):
        raise ValueError("the exported trees do not have the shape of the trainer's: covers would be wrong")
    if len(tree) > 1:
        _copy_covers(tree[1], arrays.when_true[at], arrays, covers)
        _copy_covers(tree[2], arrays.when_false[at], arrays, covers)


def _let_any_number_of_rows_out(model: onnx.ModelProto) -> None:
    """onnxmltools declares one label whatever the number of rows, and ONNX Runtime warns at each batch."""
    for output in model.graph.output:
        output.type.tensor_type.shape.dim[0].Clear()


class _TreeArrays:
    """The node arrays of a TreeEnsembleClassifier, with child ids turned into positions in the arrays."""

    def __init__(self, node: onnx.NodeProto):
        tree_ids = np.array(_attribute(node, "nodes_treeids"))
        node_ids = np.array(_attribute(node, "nodes_nodeids"))
        modes = np.array([mode.decode() for mode in _attribute(node, "nodes_modes")])
        position = {key: index for index, key in enumerate(zip(tree_ids.tolist(), node_ids.tolist()))}
        self.is_leaf = modes == "LEAF"
        unknown = set(modes) - {"LEAF", "BRANCH_LT", "BRANCH_LEQ"}
        if unknown:
            raise ValueError(f"nodes_modes has {', '.join(sorted(unknown))}: cannot count covers")
        self.when_true = self._positions(position, tree_ids, _attribute(node, "nodes_truenodeids"))
        self.when_false = self._positions(position, tree_ids, _attribute(node, "nodes_falsenodeids"))
        self.roots = np.flatnonzero(np.diff(tree_ids, prepend=tree_ids[0] - 1))

    def _positions(self, position, tree_ids, child_ids):
        keys = zip(tree_ids.tolist(), child_ids, self.is_leaf)
        return np.array([-1 if is_leaf else position[tree, child] for tree, child, is_leaf in keys])


def _tree_node(model: onnx.ModelProto) -> onnx.NodeProto:
    nodes = [node for node in model.graph.node if node.op_type == "TreeEnsembleClassifier"]
    if len(nodes) != 1:
        raise ValueError(f"expected one TreeEnsembleClassifier, found {len(nodes)}")
    return nodes[0]


def _attribute(node: onnx.NodeProto, name: str):
    for attribute in node.attribute:
        if attribute.name == name:
            return helper.get_attribute_value(attribute)
    raise ValueError(f"{node.op_type} has no attribute {name}")


def _replace_attribute(node: onnx.NodeProto, name: str, values) -> None:
    kept = [attribute for attribute in node.attribute if attribute.name != name]
    del node.attribute[:]
    node.attribute.extend(kept)
    node.attribute.append(helper.make_attribute(name, values))
