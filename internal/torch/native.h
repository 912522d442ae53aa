#include <stdint.h>

void torch_seed(int64_t seed);
void torch_threads(int n);
void torch_trim(void);
const char *torch_open_cuda(void);
void torch_cuda_memory(int64_t *unused, int64_t *all);
