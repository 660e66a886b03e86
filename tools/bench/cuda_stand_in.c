/* A stand-in for the CUDA driver, to see without a GPU what CUDA costs on the host: which kernels are compiled, how long that
 * takes, what is launched and how often. It says that it is an H200; memory is the host's, launches do nothing. So results,
 * speed and what tuning picks mean nothing.
 *
 *     cc -shared -fPIC -o libcuda.so tools/bench/cuda_stand_in.c
 *     CUDA_PATH=TOOLKIT LD_LIBRARY_PATH=.:TOOLKIT/lib cldiff bench --backend cuda --workload mnist-small
 *
 * STAND_IN_MEMORY=BYTES gives out no more than that, to see what is said when a device has too little.
 *
 * TOOLKIT needs NVRTC and the headers, no driver. The library must not be called libcuda.so.1: NVRTC would use it too. */

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

typedef int Result;
typedef uint64_t Pointer;

enum { OUT_OF_MEMORY = 2, PAGE = 4096 };
static const size_t MEMORY = 150754820096UL;

Result cuInit(unsigned flags) { return 0; }
Result cuDriverGetVersion(int *version) { *version = 13000; return 0; }
Result cuDeviceGetCount(int *count) { *count = 1; return 0; }
Result cuDeviceGet(int *device, int index) { *device = index; return 0; }
Result cuDeviceGetName(char *name, int length, int device) { snprintf(name, length, "Stand-in for an H200"); return 0; }
Result cuDeviceTotalMem_v2(size_t *bytes, int device) { *bytes = MEMORY; return 0; }
Result cuMemGetInfo_v2(size_t *left, size_t *total) { *left = *total = MEMORY; return 0; }

/* Threads and blocks by dimension, warp, processors, compute capability, shared memory of a block. */
Result cuDeviceGetAttribute(int *value, int attribute, int device) {
  switch (attribute) {
    case 1: case 2: case 3: *value = 1024; break;
    case 4: *value = 64; break;
    case 5: *value = 2147483647; break;
    case 6: case 7: *value = 65535; break;
    case 10: *value = 32; break;
    case 16: *value = 132; break;
    case 75: *value = 9; break;
    case 76: *value = 0; break;
    case 97: *value = 232448; break;
    default: *value = 1; break;
  }
  return 0;
}

Result cuDevicePrimaryCtxRetain(void **context, int device) { *context = (void *)8; return 0; }
Result cuDevicePrimaryCtxRelease_v2(int device) { return 0; }
Result cuCtxSetCurrent(void *context) { return 0; }
Result cuCtxGetCurrent(void **context) { *context = (void *)8; return 0; }
Result cuCtxSynchronize(void) { return 0; }

static void *handle(void) { static uintptr_t last = 8; return (void *)__atomic_add_fetch(&last, 8, __ATOMIC_RELAXED); }

Result cuStreamCreate(void **stream, unsigned flags) { *stream = handle(); return 0; }
Result cuStreamDestroy_v2(void *stream) { return 0; }
Result cuStreamSynchronize(void *stream) { return 0; }
Result cuStreamWaitEvent(void *stream, void *event, unsigned flags) { return 0; }
Result cuEventCreate(void **event, unsigned flags) { *event = handle(); return 0; }
Result cuEventDestroy_v2(void *event) { return 0; }
Result cuEventRecord(void *event, void *stream) { return 0; }
Result cuEventSynchronize(void *event) { return 0; }
Result cuEventQuery(void *event) { return 0; }

static size_t taken;

static size_t limit(void) {
  const char *bytes = getenv("STAND_IN_MEMORY");
  return bytes ? strtoull(bytes, NULL, 10) : MEMORY;
}

/* The size stands on a page in front of what is handed out; pages that nobody touches cost nothing. */
static Result take(Pointer *pointer, size_t bytes) {
  if (__atomic_add_fetch(&taken, bytes, __ATOMIC_RELAXED) > limit()) {
    __atomic_sub_fetch(&taken, bytes, __ATOMIC_RELAXED);
    return OUT_OF_MEMORY;
  }
  size_t *pages =
      mmap(NULL, bytes + PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (pages == MAP_FAILED) return OUT_OF_MEMORY;
  *pages = bytes + PAGE;
  *pointer = (Pointer)pages + PAGE;
  return 0;
}

static Result give_back(Pointer pointer) {
  if (!pointer) return 0;
  size_t bytes = *(size_t *)(pointer - PAGE);
  __atomic_sub_fetch(&taken, bytes - PAGE, __ATOMIC_RELAXED);
  munmap((void *)(pointer - PAGE), bytes);
  return 0;
}

Result cuMemAlloc_v2(Pointer *pointer, size_t bytes) { return take(pointer, bytes); }
Result cuMemAllocAsync(Pointer *pointer, size_t bytes, void *stream) { return take(pointer, bytes); }
Result cuMemAllocHost_v2(void **pointer, size_t bytes) { return take((Pointer *)pointer, bytes); }
Result cuMemFree_v2(Pointer pointer) { return give_back(pointer); }
Result cuMemFreeAsync(Pointer pointer, void *stream) { return give_back(pointer); }
Result cuMemFreeHost(void *pointer) { return give_back((Pointer)pointer); }

Result cuMemcpyHtoDAsync_v2(Pointer to, const void *from, size_t bytes, void *stream) {
  memcpy((void *)to, from, bytes);
  return 0;
}

Result cuMemcpyDtoHAsync_v2(void *to, Pointer from, size_t bytes, void *stream) {
  memcpy(to, (void *)from, bytes);
  return 0;
}

typedef struct {
  size_t x, y;
  uint32_t type;
  char *host;
  Pointer device;
  void *array;
  size_t pitch;
} Side;

typedef struct {
  Side from, to;
  size_t width, height;
} Copy;

Result cuMemcpy2DAsync_v2(const Copy *copy, void *stream) {
  const Side *from = &copy->from, *to = &copy->to;
  const char *source = from->type == 1 ? from->host : (const char *)from->device;
  char *target = to->type == 1 ? to->host : (char *)to->device;
  for (size_t row = 0; row < copy->height; row++)
    memcpy(target + (to->y + row) * to->pitch + to->x, source + (from->y + row) * from->pitch + from->x, copy->width);
  return 0;
}

Result cuModuleLoadData(void **module, const void *image) { *module = handle(); return 0; }
Result cuModuleUnload(void *module) { return 0; }
Result cuModuleGetFunction(void **function, void *module, const char *name) { *function = module; return 0; }
Result cuFuncSetAttribute(void *function, int attribute, int value) { return 0; }
Result cuLaunchKernel(void *function) { return 0; }
Result cuTensorMapEncodeTiled(void *map) { memset(map, 1, 128); return 0; }
Result cuTensorMapEncodeIm2col(void *map) { memset(map, 1, 128); return 0; }
Result cuTensorMapEncodeIm2colWide(void *map) { memset(map, 1, 128); return 0; }
Result cuGetErrorName(int error, const char **text) {
  *text = error == OUT_OF_MEMORY ? "CUDA_ERROR_OUT_OF_MEMORY" : "STAND_IN";
  return 0;
}
Result cuGetErrorString(int error, const char **text) {
  *text = error == OUT_OF_MEMORY ? "out of memory" : "an error of the stand-in";
  return 0;
}
