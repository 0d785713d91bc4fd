// The browser's side of ui/binary.py: an ArrayBuffer to typed arrays by name, each with its shape. Nothing is copied.
function unpack(buffer) {
  const kinds = { Int8Array, Uint8Array, Int16Array, Uint16Array, Float32Array };
  const length = new DataView(buffer).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  const arrays = {};
  for (const [name, { kind, shape, offset }] of Object.entries(header)) {
    const count = shape.reduce((a, b) => a * b, 1);
    arrays[name] = new kinds[kind](buffer, 4 + length + offset, count);
    arrays[name].shape = shape;
  }
  return arrays;
}

if (typeof module !== "undefined") module.exports = { unpack };
