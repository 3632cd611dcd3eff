"""Counts on a GPU by the driver's API, without CUDA's compiler: one kernel adds 1 to each number of an array.

Prints "count N" after each addition, with N read from the GPU, or "error ..." and ends with status 1.
"""

import ctypes
import sys
import time

# Adds 1 to the 32-bit number of each thread. The driver compiles it for its GPU.
PTX = b"""
.version 6.0
.target sm_50
.address_size 64
.visible .entry add(.param .u64 numbers)
{
    .reg .u32 %r<5>;
    .reg .u64 %d<5>;
    ld.param.u64 %d1, [numbers];
    cvta.to.global.u64 %d2, %d1;
    mov.u32 %r1, %ctaid.x;
    mov.u32 %r2, %ntid.x;
    mov.u32 %r3, %tid.x;
    mad.lo.u32 %r1, %r1, %r2, %r3;
    mul.wide.u32 %d3, %r1, 4;
    add.u64 %d4, %d2, %d3;
    ld.global.u32 %r4, [%d4];
    add.u32 %r4, %r4, 1;
    st.global.u32 [%d4], %r4;
    ret;
}
\0"""
THREADS = 256
PERIOD_SECONDS = 0.1


def main(megabytes: int) -> None:
    cuda = ctypes.CDLL("libcuda.so.1")

    def call(name: str, *arguments: object) -> None:
        status = getattr(cuda, name)(*arguments)
        if status != 0:
            text = ctypes.c_char_p()
            cuda.cuGetErrorString(status, ctypes.byref(text))
            raise OSError(f"{name} failed with {status}: {(text.value or b'?').decode()}")

    size = megabytes << 20
    device, context, module, function = ctypes.c_int(), ctypes.c_void_p(), ctypes.c_void_p(), ctypes.c_void_p()
    numbers = ctypes.c_uint64()
    call("cuInit", 0)
    call("cuDeviceGet", ctypes.byref(device), 0)
    call("cuCtxCreate_v2", ctypes.byref(context), 0, device)
    call("cuModuleLoadData", ctypes.byref(module), PTX)
    call("cuModuleGetFunction", ctypes.byref(function), module, b"add")
    call("cuMemAlloc_v2", ctypes.byref(numbers), ctypes.c_size_t(size))
    call("cuMemsetD8_v2", numbers, 0, ctypes.c_size_t(size))
    parameters = (ctypes.c_void_p * 1)(ctypes.cast(ctypes.byref(numbers), ctypes.c_void_p))
    first, last = ctypes.c_uint32(), ctypes.c_uint32()
    while True:
        call("cuLaunchKernel", function, size // 4 // THREADS, 1, 1, THREADS, 1, 1, 0, None, parameters, None)
        call("cuCtxSynchronize")
        call("cuMemcpyDtoH_v2", ctypes.byref(first), numbers, ctypes.c_size_t(4))
        call("cuMemcpyDtoH_v2", ctypes.byref(last), ctypes.c_uint64(numbers.value + size - 4), ctypes.c_size_t(4))
        if first.value != last.value:
            raise OSError(f"the first number is {first.value}, the last one {last.value}")
        print("count", first.value, flush=True)
        time.sleep(PERIOD_SECONDS)


if __name__ == "__main__":
    try:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 64)
    except OSError as error:
        print("error", error, flush=True)
        sys.exit(1)
