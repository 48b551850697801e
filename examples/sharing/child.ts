// Two processes, one array: the child's half.
import { attachMirror } from 'mirrorspace';

const mirror = await attachMirror(process.argv[2]!);
mirror.buffer('numbers')!.view(Float64Array).fill(Math.PI);
