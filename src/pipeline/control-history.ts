import type { ControlDocument } from '../core/decision/control-document.ts';

/** Every control document that decisions were made under: a view of the log. */
export interface ControlHistory {
  /** The document in force; undefined before the first. */
  readonly latest: ControlDocument | undefined;
  find(version: number): ControlDocument | undefined;
  /** Takes a document that the log has taken. */
  add(control: ControlDocument): void;
}
