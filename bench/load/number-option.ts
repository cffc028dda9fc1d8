/** The value of a command-line option that must be a number, at least `minimum`. */
export function parseNumberOption(name: string, text: string, minimum = 0): number {
  const value = Number(text);
  if (text.trim() === '' || !Number.isFinite(value) || value < minimum) {
    throw new Error(`--${name} must be a number, at least ${minimum}; it is '${text}'`);
  }
  return value;
}
