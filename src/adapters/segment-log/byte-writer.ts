const LITTLE_ENDIAN = true;
const TEXT_BYTES_MAX = 0xff;
/** The one NaN that is written, so that equal events are equal bytes on every machine. */
const CANONICAL_NAN = 0x7fc0_0000;

/** Writes numbers and texts one after the other into memory of fixed size. Whoever writes has checked the room. */
export class ByteWriter {
  readonly bytes: Buffer;
  readonly view: DataView;
  offset = 0;

  constructor(capacityBytes: number) {
    this.bytes = Buffer.allocUnsafeSlow(capacityBytes);
    this.view = new DataView(this.bytes.buffer);
  }

  uint8(value: number): void {
    this.bytes[this.offset++] = value;
  }

  uint16(value: number): void {
    this.view.setUint16(this.offset, value, LITTLE_ENDIAN);
    this.offset += 2;
  }

  float32(value: number): void {
    this.view.setFloat32(this.offset, value, LITTLE_ENDIAN);
    this.offset += 4;
  }

  float64(value: number): void {
    this.view.setFloat64(this.offset, value, LITTLE_ENDIAN);
    this.offset += 8;
  }

  float32s(values: Float32Array): void {
    for (let index = 0; index < values.length; index++) {
      const value = values[index];
      if (!Number.isNaN(value)) this.view.setFloat32(this.offset, value, LITTLE_ENDIAN);
      else this.view.setUint32(this.offset, CANONICAL_NAN, LITTLE_ENDIAN);
      this.offset += 4;
    }
  }

  /**
   * Length and one byte a character. A loop, because for texts as short as ours it costs less than a call into
   * the runtime; it sees a character that does not fit one byte by or-ing all of them together.
   */
  text(text: string): void {
    const length = text.length;
    const start = this.offset + 1;
    let seen = 0;
    for (let index = 0; index < length; index++) {
      const code = text.charCodeAt(index);
      seen |= code;
      this.bytes[start + index] = code;
    }
    if (seen > 0xff || length > TEXT_BYTES_MAX) throw new RangeError('text is no short Latin-1 string');
    this.bytes[this.offset] = length;
    this.offset = start + length;
  }

  /** Length in bytes and UTF-8, for texts of any length and alphabet. Lone surrogates have no UTF-8. */
  utf8(text: string): void {
    const written = this.bytes.write(text, this.offset + 4, 'utf8');
    this.view.setUint32(this.offset, written, LITTLE_ENDIAN);
    this.offset += 4 + written;
  }
}
