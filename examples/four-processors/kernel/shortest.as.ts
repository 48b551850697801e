/**
 * ../shortest.js in AssemblyScript, for the wasm device. The classes are printed from ../network.js and added to this file.
 */

const FAR: u32 = 0xffff_ffff;

export function shortest(begin: u32, end: u32, answers: usize, ways: usize, airports: u32): void {
  for (let item = begin; item < end; item++) {
    const answer = changetype<Answer>(answers + item * offsetof<Answer>());
    const row = ways + item * airports * offsetof<Way>();
    for (let i: u32 = 0; i < airports; i++) {
      const way = wayTo(row, i);
      way.via = null;
      way.behind = null;
      way.metres = FAR;
      way.queued = 0;
    }
    let first = answer.origin;
    let last = wayTo(row, first!.index);
    last.metres = 0;
    last.queued = 1;
    while (first !== null) {
      const way = wayTo(row, first.index);
      for (let route = first.routes; route !== null; route = route!.next) {
        const to = route.to!;
        const other = wayTo(row, to.index);
        const metres = way.metres + route.metres;
        if (metres >= other.metres) continue;
        other.metres = metres;
        other.via = first;
        if (other.queued != 0) continue;
        other.queued = 1;
        last.behind = to;
        last = other;
      }
      first = way.behind;
      way.behind = null;
      way.queued = 0;
    }
    summarize(answer, answers, row, airports);
  }
}

function wayTo(row: usize, index: u32): Way {
  return changetype<Way>(row + index * offsetof<Way>());
}

function summarize(answer: Answer, answers: usize, row: usize, airports: u32): void {
  let reached: u32 = 0;
  let metres: u32 = 0;
  let farthest = answer.origin;
  for (let i: u32 = 0; i < airports; i++) {
    const way = wayTo(row, i);
    if (way.metres == FAR) continue;
    reached++;
    if (way.metres < metres) continue;
    metres = way.metres;
    farthest = changetype<Answer>(answers + i * offsetof<Answer>()).origin;
  }
  let flights: u32 = 0;
  let via = wayTo(row, farthest!.index).via;
  while (via !== null) {
    flights++;
    via = wayTo(row, via.index).via;
  }
  answer.farthest = farthest;
  answer.metres = metres;
  answer.flights = flights;
  answer.reached = reached;
}
