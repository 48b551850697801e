/* A bare futex wake-up between two processes: one sleeps on a word; the other changes it, wakes, and looks until it has
 * the answer. Each is a round; before it both have slept long enough for the machine to be idle. Prints the median in
 * nanoseconds. */
#include <linux/futex.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1e9 + t.tv_nsec;
}

static int ascending(const void *x, const void *y) {
  double p = *(const double *)x, q = *(const double *)y;
  return (p > q) - (p < q);
}

int main(int argc, char **argv) {
  (void)argc;
  int rounds = atoi(argv[1]);
  struct timespec pause = {0, atol(argv[2]) * 1000};
  volatile uint32_t *words = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  pid_t child = fork();
  if (child == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (uint32_t seen = 0;;) {
      while (__atomic_load_n(&words[0], __ATOMIC_SEQ_CST) == seen)
        syscall(SYS_futex, &words[0], FUTEX_WAIT, seen, 0, 0, 0);
      seen++;
      __atomic_store_n(&words[64], seen, __ATOMIC_SEQ_CST);
    }
  }
  double *times = malloc(sizeof(double) * rounds);
  for (int r = 0; r < rounds; r++) {
    nanosleep(&pause, 0);
    double start = now();
    __atomic_store_n(&words[0], r + 1, __ATOMIC_SEQ_CST);
    syscall(SYS_futex, &words[0], FUTEX_WAKE, 1, 0, 0, 0);
    while (__atomic_load_n(&words[64], __ATOMIC_SEQ_CST) != (uint32_t)r + 1) {
    }
    times[r] = now() - start;
  }
  qsort(times, rounds, sizeof(double), ascending);
  printf("%.0f\n", times[rounds / 2]);
  kill(child, SIGKILL);
  return 0;
}
