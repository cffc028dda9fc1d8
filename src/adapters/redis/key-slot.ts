/** Which of a cluster's 16,384 slots a key is in: CRC16 (XMODEM) of the key, or of its part in braces. */
export const SLOTS = 16_384;

const POLYNOMIAL = 0x1021;
const TABLE = Uint16Array.from({ length: 256 }, (_, byte) => {
  let crc = byte << 8;
  for (let bit = 0; bit < 8; bit++) crc = (crc & 0x8000) === 0 ? crc << 1 : (crc << 1) ^ POLYNOMIAL;
  return crc;
});

/** Keys are ASCII. Source: https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/ */
export function slotOf(key: string): number {
  let [start, end] = [0, key.length];
  const brace = key.indexOf('{');
  if (brace >= 0) {
    const closing = key.indexOf('}', brace + 1);
    if (closing > brace + 1) [start, end] = [brace + 1, closing];
  }
  let crc = 0;
  for (let index = start; index < end; index++) {
    crc = ((crc << 8) & 0xffff) ^ TABLE[(crc >> 8) ^ key.charCodeAt(index)];
  }
  return crc % SLOTS;
}
