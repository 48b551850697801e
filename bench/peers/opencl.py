# What an OpenCL driver takes when Python asks it, through pyopencl: the figures of opencl.c, in its order and its units. The
# argument is the number of repetitions.
import sys
import time

import numpy as np
import pyopencl as cl

ROUNDS = 9
SIZE = 1 << 20
SOURCE = """
kernel void nothing(void) {}
kernel void answer(global const int *in, global int *out) { out[0] = in[0] + 1; }
kernel void scale(global float *data, float by) { data[get_global_id(0)] = data[get_global_id(0)] * by + 1.0f; }
"""

context = cl.Context([cl.get_platforms()[0].get_devices()[0]])
queue = cl.CommandQueue(context)
program = cl.Program(context, SOURCE).build()
nothing, answer, scale = program.nothing, program.answer, program.scale
fine = cl.fsvm_empty(context, SIZE // 4, np.int32)
out = cl.fsvm_empty(context, 16, np.int32)
coarse = cl.csvm_empty(context, SIZE, np.int8)
large = cl.fsvm_empty(context, (64 << 20) // 4, np.float32)
large[:] = 1
scale.set_args(cl.SVM(large), np.float32(0.5))


def launch():
    cl.enqueue_nd_range_kernel(queue, nothing, (1,), None)
    queue.finish()


paused = 0.0


def launch_after_pause():
    global paused
    until = time.perf_counter() + 20e-6
    while time.perf_counter() < until:
        pass
    start = time.perf_counter()
    launch()
    paused += time.perf_counter() - start


def map_and_unmap():
    with cl.SVM(coarse).map_rw(queue):
        pass
    queue.finish()


stamp = 0


def hand():
    global stamp
    stamp += 1
    fine[0] = stamp
    answer(queue, (1,), None, cl.SVM(fine), cl.SVM(out))
    queue.finish()
    assert out[0] == stamp + 1


def stream():
    cl.enqueue_nd_range_kernel(queue, scale, (large.size,), None)
    queue.finish()


def median(once, repetitions):
    global paused
    times = []
    for round in range(-3, ROUNDS):
        start = time.perf_counter()
        paused = 0.0
        for _ in range(repetitions):
            once()
        if round >= 0:
            took = paused if once is launch_after_pause else time.perf_counter() - start
            times.append(took / repetitions * 1e6)
    return sorted(times)[ROUNDS // 2]


repetitions = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
print(
    median(launch, repetitions),
    median(launch_after_pause, repetitions),
    median(map_and_unmap, repetitions),
    median(hand, repetitions),
    median(stream, 1) / 1e3,
)
