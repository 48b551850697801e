// shortest.js in OpenCL C: an origin for each work-item. The structures are printed from network.js and put before this.

#define FAR 0xffffffffu

static void summarize(global Answer *answer, global const Answer *answers, global const Way *row, uint airports) {
  uint reached = 0, metres = 0, flights = 0;
  global Airport *farthest = answer->origin;
  for (uint i = 0; i < airports; i++) {
    if (row[i].metres == FAR) continue;
    reached++;
    if (row[i].metres < metres) continue;
    metres = row[i].metres;
    farthest = answers[i].origin;
  }
  for (global const Airport *via = row[farthest->index].via; via != 0; via = row[via->index].via) flights++;
  answer->farthest = farthest;
  answer->metres = metres;
  answer->flights = flights;
  answer->reached = reached;
}

kernel void shortest(global Answer *answers, global Way *ways, uint airports) {
  const uint item = get_global_id(0);
  global Way *row = ways + (size_t)item * airports;
  for (uint i = 0; i < airports; i++) {
    row[i].via = 0;
    row[i].behind = 0;
    row[i].metres = FAR;
    row[i].queued = 0;
  }
  global Airport *first = answers[item].origin;
  global Way *last = row + first->index;
  last->metres = 0;
  last->queued = 1;
  while (first != 0) {
    global Way *way = row + first->index;
    for (global const Route *route = first->routes; route != 0; route = route->next) {
      global Way *other = row + route->to->index;
      const uint metres = way->metres + route->metres;
      if (metres >= other->metres) continue;
      other->metres = metres;
      other->via = first;
      if (other->queued != 0) continue;
      other->queued = 1;
      last->behind = route->to;
      last = other;
    }
    first = way->behind;
    way->behind = 0;
    way->queued = 0;
  }
  summarize(answers + item, answers, row, airports);
}
