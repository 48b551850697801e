/**
 * A core of a wasm device: a worker thread that instantiates programs and runs packets, and does nothing else.
 *
 * @module
 */
import { serveCore } from '../../engine/serve-core.ts';
import type { CoreData, CoreModule } from './child-messages.ts';
import { CorePrograms } from './core-programs.ts';

void serveCore<CoreModule, CoreData>(({ memory, base, core, cores, scratch }) => {
  const programs = new CorePrograms(memory, { core, cores, scratch });
  return { base, take: (program) => programs.take(program), kernel: (id) => programs.kernel(id) };
});
