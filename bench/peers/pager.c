// A pager in C beside ours: a child's page faults over empty memory at the addresses of its parent's are answered by the
// parent, one page each, with UFFDIO_COPY from its own. `pager PAGES STRIDE BYTES ROUNDS` prints three medians: nanoseconds
// of a cold page, at every STRIDE and at random places of BYTES; and nanoseconds of reading BYTES from the parent with
// process_vm_readv into fresh memory.
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1e9 + t.tv_nsec;
}

static int ascending(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static double median(double *values, int count) {
  qsort(values, count, sizeof *values, ascending);
  return values[count / 2];
}

// The first `count` of all pages in random order.
static size_t *random_pages(size_t all, size_t count) {
  size_t *order = malloc(all * sizeof *order);
  for (size_t i = 0; i < all; i++) order[i] = i;
  srandom(1);
  for (size_t i = 0; i < count; i++) {
    size_t j = i + random() % (all - i), swapped = order[i];
    order[i] = order[j];
    order[j] = swapped;
  }
  return order;
}

int main(int argc, char **argv) {
  if (argc != 5) return 2;
  size_t pages = atol(argv[1]), stride = atol(argv[2]), bytes = atol(argv[3]);
  int rounds = atoi(argv[4]);
  size_t size = pages * stride > bytes ? pages * stride : bytes;
  int prot = PROT_READ | PROT_WRITE, flags = MAP_PRIVATE | MAP_ANONYMOUS;
  char *memory = mmap(0, size, prot, flags, -1, 0);
  memset(memory, 5, size);
  int tell[2], go[2];
  if (pipe(tell) || pipe(go)) return 1;
  pid_t parent = getpid();
  prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0);
  pid_t child = fork();
  if (child == 0) {
    double times[rounds], scattered[rounds], reads[rounds];
    size_t *order = random_pages(bytes / 4096, pages);
    mmap(memory, size, prot, flags | MAP_FIXED, -1, 0);
    int fd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK | UFFD_USER_MODE_ONLY);
    struct uffdio_api api = {.api = UFFD_API};
    struct uffdio_register area = {{(uintptr_t)memory, size}, UFFDIO_REGISTER_MODE_MISSING, 0};
    if (fd < 0 || ioctl(fd, UFFDIO_API, &api) || ioctl(fd, UFFDIO_REGISTER, &area)) return 1;
    char ok;
    if (write(tell[1], &fd, sizeof fd) != sizeof fd || read(go[0], &ok, 1) != 1) return 1;
    volatile unsigned sum = 0;
    for (int round = 0; round < rounds; round++) {
      madvise(memory, size, MADV_DONTNEED);
      double start = now();
      for (size_t i = 0; i < pages; i++) sum += memory[i * stride];
      times[round] = (now() - start) / pages;
      madvise(memory, size, MADV_DONTNEED);
      start = now();
      for (size_t i = 0; i < pages; i++) sum += memory[order[i] * 4096];
      scattered[round] = (now() - start) / pages;
    }
    for (int round = 0; round < rounds; round++) {
      double start = now();
      char *fresh = mmap(0, bytes, prot, flags, -1, 0);
      struct iovec to = {fresh, bytes}, from = {memory, bytes};
      if (process_vm_readv(parent, &to, 1, &from, 1, 0) != (ssize_t)bytes) return 1;
      reads[round] = now() - start;
      munmap(fresh, bytes);
    }
    printf("%f %f %f\n", median(times, rounds), median(reads, rounds), median(scattered, rounds));
    fflush(stdout);
    _exit(sum == 10 * pages * rounds ? 0 : 3);
  }
  int theirs;
  if (read(tell[0], &theirs, sizeof theirs) != sizeof theirs) return 1;
  int pidfd = syscall(SYS_pidfd_open, child, 0);
  int fd = syscall(SYS_pidfd_getfd, pidfd, theirs, 0);
  if (fd < 0 || write(go[1], "g", 1) != 1) return 1;
  struct pollfd polled[2] = {{fd, POLLIN, 0}, {pidfd, POLLIN, 0}};
  for (;;) {
    poll(polled, 2, -1);
    struct uffd_msg message;
    while (read(fd, &message, sizeof message) == sizeof message) {
      uintptr_t page = message.arg.pagefault.address & ~4095ull;
      struct uffdio_copy copy = {page, page, 4096, 0, 0};
      ioctl(fd, UFFDIO_COPY, &copy);
    }
    if (polled[1].revents) break;
  }
  int status;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
