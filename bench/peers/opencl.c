// What an OpenCL driver takes when C asks it: medians of an empty kernel and clFinish, back to back and 20 us after the one
// before (the pause is not counted: the driver's threads have gone to sleep by then), of mapping and unmapping a coarse SVM
// buffer, of handing a buffer over (host stores, a kernel reads and answers), in microseconds; of a kernel over 64 MiB, in
// milliseconds. Its argument is the number of repetitions. Prototypes are those of cl.h: no header and no development
// package is needed.
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

typedef intptr_t handle;
typedef int32_t status;

#define FUNCTIONS(F) \
  F(status, clGetPlatformIDs, (uint32_t, handle *, uint32_t *)) \
  F(status, clGetDeviceIDs, (handle, uint64_t, uint32_t, handle *, uint32_t *)) \
  F(handle, clCreateContext, (void *, uint32_t, handle *, void *, void *, status *)) \
  F(handle, clCreateCommandQueueWithProperties, (handle, handle, void *, status *)) \
  F(handle, clCreateProgramWithSource, (handle, uint32_t, const char **, void *, status *)) \
  F(status, clBuildProgram, (handle, uint32_t, handle *, const char *, void *, void *)) \
  F(handle, clCreateKernel, (handle, const char *, status *)) \
  F(status, clSetKernelArg, (handle, uint32_t, size_t, const void *)) \
  F(status, clSetKernelArgSVMPointer, (handle, uint32_t, const void *)) \
  F(status, clEnqueueNDRangeKernel, (handle, handle, uint32_t, void *, size_t *, void *, uint32_t, void *, void *)) \
  F(void *, clSVMAlloc, (handle, uint64_t, size_t, uint32_t)) \
  F(status, clEnqueueSVMMap, (handle, uint32_t, uint64_t, void *, size_t, uint32_t, void *, void *)) \
  F(status, clEnqueueSVMUnmap, (handle, void *, uint32_t, void *, void *)) \
  F(status, clFinish, (handle))

#define DECLARE(type, name, arguments) static type(*name) arguments;
FUNCTIONS(DECLARE)

enum { ROUNDS = 9, FINE_GRAIN_BUFFER = 1 << 10, SIZE = 1 << 20 };

static const char *source =
    "kernel void nothing(void) {}\n"
    "kernel void answer(global const int *in, global int *out) { out[0] = in[0] + 1; }\n"
    "kernel void scale(global float *data, float by) { data[get_global_id(0)] = data[get_global_id(0)] * by + 1.0f; }\n";

static handle queue, nothing, answer, scale;
static int *fine, *out;
static float *large;
static void *coarse;
static int stamp;

static void must(int good, const char *what) {
  if (good) return;
  fprintf(stderr, "%s failed\n", what);
  exit(1);
}

static void run(handle kernel, size_t items) {
  must(clEnqueueNDRangeKernel(queue, kernel, 1, 0, &items, 0, 0, 0, 0) == 0, "clEnqueueNDRangeKernel");
  must(clFinish(queue) == 0, "clFinish");
}

static void launch(void) { run(nothing, 1); }

static double now(void);
static double paused;

static void launch_after_pause(void) {
  double until = now() + 20;
  while (now() < until) {}
  double start = now();
  launch();
  paused += now() - start;
}

static void map(void) {
  must(clEnqueueSVMMap(queue, 1, 3, coarse, SIZE, 0, 0, 0) == 0, "clEnqueueSVMMap");
  must(clEnqueueSVMUnmap(queue, coarse, 0, 0, 0) == 0, "clEnqueueSVMUnmap");
  must(clFinish(queue) == 0, "clFinish");
}

static void hand(void) {
  fine[0] = ++stamp;
  must(clSetKernelArgSVMPointer(answer, 0, fine) == 0, "clSetKernelArgSVMPointer");
  must(clSetKernelArgSVMPointer(answer, 1, out) == 0, "clSetKernelArgSVMPointer");
  run(answer, 1);
  must(out[0] == stamp + 1, "the kernel's answer");
}

static void stream(void) { run(scale, (64 << 20) / sizeof(float)); }

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1e6 + t.tv_nsec / 1e3;
}

static int ascending(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* The median of rounds, after three that do not count, as rows.ts has it. */
static double median(void (*once)(void), int repetitions) {
  double times[ROUNDS];
  for (int round = -3; round < ROUNDS; round++) {
    double start = now();
    paused = 0;
    for (int i = 0; i < repetitions; i++) once();
    if (round >= 0) times[round] = (once == launch_after_pause ? paused : now() - start) / repetitions;
  }
  qsort(times, ROUNDS, sizeof *times, ascending);
  return times[ROUNDS / 2];
}

int main(int count, char **arguments) {
  int repetitions = count > 1 ? atoi(arguments[1]) : 1000;
  void *library = dlopen("libOpenCL.so.1", RTLD_NOW);
  must(library != 0, "dlopen of libOpenCL.so.1");
#define LOAD(type, name, arguments) must((name = dlsym(library, #name)) != 0, #name);
  FUNCTIONS(LOAD)

  handle platform, device;
  status failure;
  float by = 0.5f;
  must(clGetPlatformIDs(1, &platform, 0) == 0, "clGetPlatformIDs");
  must(clGetDeviceIDs(platform, 0xffffffff, 1, &device, 0) == 0, "clGetDeviceIDs");
  handle context = clCreateContext(0, 1, &device, 0, 0, &failure);
  must(failure == 0, "clCreateContext");
  queue = clCreateCommandQueueWithProperties(context, device, 0, &failure);
  must(failure == 0, "clCreateCommandQueueWithProperties");
  handle program = clCreateProgramWithSource(context, 1, &source, 0, &failure);
  must(failure == 0 && clBuildProgram(program, 0, 0, "", 0, 0) == 0, "clBuildProgram");
  nothing = clCreateKernel(program, "nothing", &failure);
  answer = clCreateKernel(program, "answer", &failure);
  scale = clCreateKernel(program, "scale", &failure);
  must(nothing && answer && scale, "clCreateKernel");
  fine = clSVMAlloc(context, FINE_GRAIN_BUFFER | 1, SIZE, 0);
  out = clSVMAlloc(context, FINE_GRAIN_BUFFER | 1, 4096, 0);
  large = clSVMAlloc(context, FINE_GRAIN_BUFFER | 1, 64 << 20, 0);
  coarse = clSVMAlloc(context, 1, SIZE, 0);
  must(fine && out && large && coarse, "clSVMAlloc");
  for (size_t i = 0; i < (64 << 20) / sizeof *large; i++) large[i] = 1;
  must(clSetKernelArgSVMPointer(scale, 0, large) == 0, "clSetKernelArgSVMPointer");
  must(clSetKernelArg(scale, 1, sizeof by, &by) == 0, "clSetKernelArg");

  printf("%f %f %f %f %f\n", median(launch, repetitions), median(launch_after_pause, repetitions), median(map, repetitions), median(hand, repetitions),
         median(stream, 1) / 1e3);
  return 0;
}
