/* The pointer-following peer: a list of 16-byte nodes, linked in the order that bench/pointers.ts uses, with 32-bit
 * links that count from a base, as in a 32-bit device. Each of the threads follows all of it. Prints the nanoseconds of
 * the median round. */
#include <pthread.h>
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

static char *base;
static int rounds, threads;
static double *times;
static volatile int64_t result;
static pthread_barrier_t barrier;

static void *run(void *which) {
  for (int r = 0; r < rounds; r++) {
    pthread_barrier_wait(&barrier);
    double start = now();
    int64_t sum = 0;
    uint32_t p = 65536;
    while (p) {
      struct node *n = (struct node *)(base + p);
      sum += n->value;
      p = n->next;
    }
    result = sum;
    pthread_barrier_wait(&barrier);
    if (!which) times[r] = now() - start;
  }
  return 0;
}

int main(int argc, char **argv) {
  uint32_t count = strtoul(argv[1], 0, 10), step = strtoul(argv[2], 0, 10);
  rounds = atoi(argv[3]);
  threads = argc > 4 ? atoi(argv[4]) : 1;
  base = mmap(0, (size_t)count * 16 + 65536, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  struct node *nodes = (struct node *)(base + 65536);
  uint64_t at = 0;
  for (uint32_t i = 0; i < count; i++, at = (at + step) % count) {
    nodes[at].value = i % 1000;
    nodes[at].next = i == count - 1 ? 0 : 65536 + (uint32_t)((at + step) % count) * 16;
  }
  times = malloc(sizeof(double) * rounds);
  pthread_barrier_init(&barrier, 0, threads);
  pthread_t others[64];
  for (long t = 1; t < threads; t++) pthread_create(&others[t], 0, run, (void *)t);
  run(0);
  for (long t = 1; t < threads; t++) pthread_join(others[t], 0);
  qsort(times, rounds, sizeof(double), ascending);
  printf("%.0f %lld\n", times[rounds / 2], (long long)result);
  return 0;
}
