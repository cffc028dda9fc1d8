const LITTLE_ENDIAN = true;

/** Reads back what a `ByteWriter` wrote. What it returns is copied: the memory may be filled anew. */
export class ByteReader {
  readonly bytes: Buffer;
  readonly view: DataView;
  offset = 0;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  uint8(): number {
    return this.bytes[this.offset++];
  }

  uint16(): number {
    const value = this.view.getUint16(this.offset, LITTLE_ENDIAN);
    this.offset += 2;
    return value;
  }

  float32(): number {
    const value = this.view.getFloat32(this.offset, LITTLE_ENDIAN);
    this.offset += 4;
    return value;
  }

  float64(): number {
    const value = this.view.getFloat64(this.offset, LITTLE_ENDIAN);
    this.offset += 8;
    return value;
  }

  float32s(count: number): Float32Array {
    const values = new Float32Array(count);
    for (let index = 0; index < count; index++) {
      values[index] = this.view.getFloat32(this.offset, LITTLE_ENDIAN);
      this.offset += 4;
    }
    return values;
  }

  text(): string {
    const start = this.offset + 1;
    this.offset = start + this.bytes[this.offset];
    return this.bytes.toString('latin1', start, this.offset);
  }

  utf8(): string {
    const start = this.offset + 4;
    this.offset = start + this.view.getUint32(this.offset, LITTLE_ENDIAN);
    return this.bytes.toString('utf8', start, this.offset);
  }
}
