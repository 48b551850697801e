/* The pointer-following peer: a list of 16-byte nodes, linked in the order that bench/pointers.ts uses, with 32-bit
 * links that count from a base, as in a 32-bit device. Prints the nanoseconds of the median round. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

struct node { int32_t value; int32_t pad; uint32_t next; uint32_t high; };

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1e9 + t.tv_nsec;
}

static int ascending(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

int main(int argc, char **argv) {
  uint32_t count = strtoul(argv[1], 0, 10), step = strtoul(argv[2], 0, 10);
  int rounds = atoi(argv[3]);
  char *base = mmap(0, (size_t)count * 16 + 65536, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  struct node *nodes = (struct node *)(base + 65536);
  uint64_t at = 0;
  for (uint32_t i = 0; i < count; i++, at = (at + step) % count) {
    nodes[at].value = i % 1000;
    nodes[at].next = i == count - 1 ? 0 : 65536 + (uint32_t)((at + step) % count) * 16;
  }
  double *times = malloc(sizeof(double) * rounds);
  volatile int64_t result = 0;
  for (int r = 0; r < rounds; r++) {
    double start = now();
    int64_t sum = 0;
    uint32_t p = 65536;
    while (p) {
      struct node *n = (struct node *)(base + p);
      sum += n->value;
      p = n->next;
    }
    result = sum;
    times[r] = now() - start;
  }
  qsort(times, rounds, sizeof(double), ascending);
  printf("%.0f %lld\n", times[rounds / 2], (long long)result);
  return 0;
}
