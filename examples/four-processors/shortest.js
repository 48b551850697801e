/**
 * The shortest ways from an airport to all others, by pointers. This process and the process device run this very file;
 * kernel/shortest.as.ts and shortest.cl say the same in their languages. An airport whose way has become shorter goes to
 * the end of a queue, until nothing becomes shorter any more.
 *
 * @module
 */
import { sizeof } from 'mirrorspace/layout';
import { Airport, Answer, FAR, Route, Way } from './network.js';

const ANSWER = sizeof(Answer);
const WAY = sizeof(Way);

/**
 * For the origins [begin, end): `answers` has one Answer each, whose origin is given; `ways` has one Way for each origin
 * and airport. Both are addresses in `memory`.
 */
export function shortest(memory, begin, end, answers, ways, airports) {
  const from = Answer.in(memory).at(answers).origin;
  const search = new Search(memory, from, ways);
  const answer = Answer.in(memory).at(answers);
  for (let item = begin; item < end; item++) {
    const row = ways + item * airports * WAY;
    answer.move(answers + item * ANSWER);
    search.clear(row, airports);
    search.run(row, answer.origin);
    search.summarize(answer, answers, row, airports);
  }
}

/** Accessors that are moved from place to place: nothing is allocated on the way. Short methods, which V8 compiles well. */
class Search {
  #airport;
  #to;
  #route;
  #routes;
  #way;
  #other;
  #last;

  constructor(memory, airport, ways) {
    this.#airport = Airport.in(memory).at(airport);
    this.#to = Airport.in(memory).at(airport);
    this.#routes = Route.in(memory);
    this.#way = Way.in(memory).at(ways);
    this.#other = Way.in(memory).at(ways);
    this.#last = Way.in(memory).at(ways);
  }

  clear(row, airports) {
    const way = this.#way;
    for (let i = 0; i < airports; i++) {
      way.move(row + i * WAY);
      way.via = 0;
      way.behind = 0;
      way.metres = FAR;
      way.queued = 0;
    }
  }

  run(row, origin) {
    const [airport, way] = [this.#airport, this.#way];
    airport.move(origin);
    way.move(row + airport.index * WAY);
    way.metres = 0;
    way.queued = 1;
    this.#last.move(way.address);
    for (let first = origin; first !== 0; ) {
      airport.move(first);
      way.move(row + airport.index * WAY);
      this.#leave(row, first, airport.routes, way.metres);
      first = way.behind;
      way.behind = 0;
      way.queued = 0;
    }
  }

  #leave(row, from, first, soFar) {
    if (first === 0) return;
    this.#route ??= this.#routes.at(first);
    const [route, to, other, last] = [this.#route, this.#to, this.#other, this.#last];
    for (let at = first; at !== 0; at = route.next) {
      route.move(at);
      to.move(route.to);
      other.move(row + to.index * WAY);
      const metres = soFar + route.metres;
      if (metres >= other.metres) continue;
      other.metres = metres;
      other.via = from;
      if (other.queued !== 0) continue;
      other.queued = 1;
      last.behind = to.address;
      last.move(other.address);
    }
  }

  summarize(answer, answers, row, airports) {
    const [airport, way] = [this.#airport, this.#way];
    const own = answer.address;
    let [reached, metres, farthest] = [0, 0, 0];
    for (let i = 0; i < airports; i++) {
      way.move(row + i * WAY);
      if (way.metres === FAR) continue;
      reached++;
      if (way.metres < metres) continue;
      metres = way.metres;
      answer.move(answers + i * ANSWER);
      farthest = answer.origin;
    }
    let flights = 0;
    for (let at = farthest; ; flights++) {
      airport.move(at);
      way.move(row + airport.index * WAY);
      if (way.via === 0) break;
      at = way.via;
    }
    answer.move(own);
    answer.farthest = farthest;
    answer.metres = metres;
    answer.flights = flights;
    answer.reached = reached;
  }
}
