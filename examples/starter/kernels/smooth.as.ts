// Kernels for the wasm device, in AssemblyScript. A kernel is an exported function over the items [begin, end), then its
// arguments; pointers are the addresses that the host has.

/** Item i: the mean of points i - 1, i, i + 1 of `from`, into `to`. */
export function smooth(begin: u32, end: u32, from: usize, to: usize, count: u32): void {
  for (let i = begin; i < end; i++) {
    const left = at(from, i > 0 ? i - 1 : 0);
    const right = at(from, i + 1 < count ? i + 1 : count - 1);
    store<f64>(to + (<usize>i << 3), (left + at(from, i) + right) / 3);
  }
}

// @ts-ignore: decorators are AssemblyScript's
@inline
function at(points: usize, i: u32): f64 {
  return load<f64>(points + (<usize>i << 3));
}
