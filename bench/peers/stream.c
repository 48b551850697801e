/* The streaming peer: out[i] = a[i] * factor + b[i] in doubles, on one or more threads, each with its part. Prints the
 * nanoseconds of the median round, and a checksum. */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

static double *a, *b, *out;
static long count, threads;
static pthread_barrier_t barrier;

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1e9 + t.tv_nsec;
}

static int ascending(const void *x, const void *y) {
  double p = *(const double *)x, q = *(const double *)y;
  return (p > q) - (p < q);
}

static int rounds;
static double *times;

__attribute__((noinline)) static void triad(long begin, long end, double *restrict out, const double *restrict a,
                                            const double *restrict b, double factor) {
  for (long i = begin; i < end; i++) out[i] = a[i] * factor + b[i];
}

static void *run(void *which) {
  long me = (long)which, begin = count * me / threads, end = count * (me + 1) / threads;
  for (int r = 0; r < rounds; r++) {
    pthread_barrier_wait(&barrier);
    double start = now();
    triad(begin, end, out, a, b, 0.5);
    pthread_barrier_wait(&barrier);
    if (me == 0) times[r] = now() - start;
  }
  return 0;
}

static double *memory(void) {
  return mmap(0, count * 8, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}

int main(int argc, char **argv) {
  (void)argc;
  count = atol(argv[1]), threads = atol(argv[2]), rounds = atoi(argv[3]);
  a = memory(), b = memory(), out = memory();
  times = malloc(sizeof(double) * rounds);
  for (long i = 0; i < count; i++) a[i] = i, b[i] = 1, out[i] = 0;
  pthread_barrier_init(&barrier, 0, threads);
  pthread_t others[64];
  for (long t = 1; t < threads; t++) pthread_create(&others[t], 0, run, (void *)t);
  run(0);
  for (long t = 1; t < threads; t++) pthread_join(others[t], 0);
  qsort(times, rounds, sizeof(double), ascending);
  double sum = 0;
  for (long i = 0; i < count; i += 4099) sum += out[i];
  printf("%.0f %.3f\n", times[rounds / 2], sum);
  return 0;
}
