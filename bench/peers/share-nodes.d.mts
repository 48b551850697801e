/** A node as a JavaScript object. */
export interface TreeNode {
  value: number;
  left: TreeNode | null;
  right: TreeNode | null;
}

interface NodeFields {
  value: number;
  left: number;
  right: number;
  readonly address: number;
  move(address: number): void;
}

export const Node: {
  in(memory: { memoryAt(address: number): unknown }): { at(address: number): NodeFields };
};
export function build(node: NodeFields, base: number, low: number, high: number): number;
export function objects(low: number, high: number): TreeNode | null;
