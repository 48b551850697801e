/**
 * The two kernels of the demo, in AssemblyScript (TypeScript syntax, compiled to WebAssembly by ../build.ts).
 *
 * A kernel is an exported function `name(begin, end, ...args)` that does the items [begin, end) of a launch;
 * every core runs its own instance of this module over the one mirrored memory. The classes `Tree`, `Node` and
 * `Seen` are made of ../layout.ts, which is what TypeScript builds the tree with; build.ts adds them to this file.
 * A pointer takes 8 bytes there, as on every device; addresses on this device have 32 bits, so the low half *is*
 * the pointer, and `node.left` is a plain load. Nothing is allocated here, and no static data is used.
 */

// The query and the best answer so far. WebAssembly globals belong to an instance, so each core has its own.
let x: f64 = 0;
let y: f64 = 0;
let z: f64 = 0;
let best: f64 = 0;
let bestIndex: u32 = 0;

/**
 * For each pixel: which point is nearest, and its squared chord distance. `grid` holds cosine and sine of the
 * longitude of each column, then of the latitude of each row; `results` gets a distance (f64) per pixel, then
 * an index (u32) per pixel.
 */
export function nearest(
  begin: i32,
  end: i32,
  tree: Tree,
  grid: usize,
  results: usize,
  width: u32,
  height: u32,
): void {
  const rows = grid + ((<usize>width) << 4);
  const indexes = results + ((<usize>width * <usize>height) << 3);
  for (let pixel: u32 = begin; pixel < <u32>end; pixel++) {
    const column = grid + ((<usize>(pixel % width)) << 4);
    const row = rows + ((<usize>(pixel / width)) << 4);
    const cosLatitude = load<f64>(row);
    x = cosLatitude * load<f64>(column);
    y = cosLatitude * load<f64>(column, 8);
    z = load<f64>(row, 8);
    best = Infinity;
    bestIndex = u32.MAX_VALUE;
    visit(tree.root!);
    store<f64>(results + ((<usize>pixel) << 3), best);
    store<u32>(indexes + ((<usize>pixel) << 2), bestIndex);
  }
}

/** Depth first, the nearer box first; a box that is not nearer than the best answer is passed over. */
function visit(node: Node): void {
  const dx = x - node.x;
  const dy = y - node.y;
  const dz = z - node.z;
  const distance = dx * dx + dy * dy + dz * dz;
  if (distance < best) {
    best = distance;
    bestIndex = node.index;
  }
  const left = boxDistance(node.left);
  const right = boxDistance(node.right);
  if (left <= right) {
    if (left < best) visit(node.left!);
    if (right < best) visit(node.right!);
  } else {
    if (right < best) visit(node.right!);
    if (left < best) visit(node.left!);
  }
}

/** Squared, from the query to the box of a subtree; infinite for none. */
function boxDistance(node: Node | null): f64 {
  if (node === null) return Infinity;
  const dx = max(max(node.lowX - x, x - node.highX), 0);
  const dy = max(max(node.lowY - y, y - node.highY), 0);
  const dz = max(max(node.lowZ - z, z - node.highZ), 0);
  return dx * dx + dy * dy + dz * dz;
}

/** Writes down what this device sees: the addresses of the root and its children, and some of what they hold. */
export function probe(_begin: i32, _end: i32, tree: Tree, seen: Seen): void {
  const root = tree.root!;
  seen.root = root;
  seen.left = root.left;
  seen.right = root.right;
  seen.x = root.x;
  seen.index = root.index;
  seen.stamp = tree.stamp;
}
