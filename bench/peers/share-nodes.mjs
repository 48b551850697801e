// A balanced tree over [low, high), in mirrored memory and as JavaScript objects.
import { f64, pointer, struct } from '../../dist/layout/index.js';

export const Node = struct('Node', {
  value: f64,
  get left() {
    return pointer(Node);
  },
  get right() {
    return pointer(Node);
  },
});

/** Node `i` lies at `base + 24 i`; gives the address of the root, or 0. */
export function build(node, base, low, high) {
  if (low >= high) return 0;
  const middle = (low + high) >>> 1;
  const left = build(node, base, low, middle);
  const right = build(node, base, middle + 1, high);
  const at = base + middle * 24;
  node.move(at);
  node.value = middle;
  node.left = left;
  node.right = right;
  return at;
}

export function objects(low, high) {
  if (low >= high) return null;
  const middle = (low + high) >>> 1;
  return { value: middle, left: objects(low, middle), right: objects(middle + 1, high) };
}
