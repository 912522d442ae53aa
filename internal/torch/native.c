#define _GNU_SOURCE // RTLD_DEFAULT
#include "native.h"

#include <dlfcn.h>
#include <stdlib.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

// A training step allocates and frees the same gigabytes again and again. By default, glibc returns
// every large block to the system and gets it again page by page, which takes a third of the time of
// a small student's step. This function runs before the first thread allocates. torch_trim returns
// free memory to the system.
__attribute__((constructor)) static void keep_memory(void) {
#ifdef __GLIBC__
  mallopt(M_ARENA_MAX, 1);
  mallopt(M_MMAP_MAX, 0);
  mallopt(M_TRIM_THRESHOLD, -1); // never
  mallopt(M_TOP_PAD, 64 << 20);
#endif
}

// gotch's C shim defines these functions, and its Go side does not bind them. They are weak so that
// this package links by itself.
__attribute__((weak)) void at_manual_seed(int64_t seed);
__attribute__((weak)) void at_set_num_threads(int n);

void torch_seed(int64_t seed) { at_manual_seed(seed); }

void torch_threads(int n) { at_set_num_threads(n); }

void torch_trim(void) {
#ifdef __GLIBC__
  malloc_trim(0);
#endif
}

// torch_open_cuda loads libtorch's CUDA kernels, which register themselves with the loaded libtorch.
const char *torch_open_cuda(void) {
  return dlopen("libtorch_cuda.so", RTLD_NOW | RTLD_GLOBAL) ? NULL : dlerror();
}

// torch_cuda_memory sets the free and all bytes of the first GPU's memory, from the CUDA runtime of
// libtorch; 0 without one.
void torch_cuda_memory(int64_t *unused, int64_t *all) {
  int (*info)(size_t *, size_t *) = (int (*)(size_t *, size_t *))dlsym(RTLD_DEFAULT, "cudaMemGetInfo");
  size_t u = 0, a = 0;
  if (!info || info(&u, &a) != 0) u = a = 0;
  *unused = (int64_t)u;
  *all = (int64_t)a;
}
