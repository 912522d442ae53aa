#include <stdint.h>

void torch_seed(int64_t seed);
void torch_threads(int n);
const char *torch_open_cuda(void);
int64_t torch_cuda_free(void);
