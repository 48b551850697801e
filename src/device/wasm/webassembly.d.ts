/**
 * The part of the WebAssembly JavaScript interface that this package uses. TypeScript declares it only together with
 * the whole browser (lib.dom), whose globals have no place in a Node library. From the "WebAssembly JavaScript
 * Interface" specification.
 *
 * @module
 */
declare namespace WebAssembly {
  class CompileError extends Error {}
  class Global {
    value: number;
  }
  class Memory {
    constructor(descriptor: { initial: number; maximum: number; shared: boolean });
    readonly buffer: ArrayBuffer;
  }
  class Module {
    constructor(bytes: Uint8Array);
    static imports(module: Module): { module: string; name: string; kind: string }[];
  }
  type ImportValue = Memory | ((...args: number[]) => unknown);
  type Imports = Record<string, Record<string, ImportValue>>;
  class Instance {
    constructor(module: Module, imports: Imports);
    readonly exports: Record<string, unknown>;
  }
  function validate(bytes: Uint8Array): boolean;
  function compile(bytes: Uint8Array): Promise<Module>;
}
