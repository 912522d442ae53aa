#include <stdint.h>

void torch_seed(int64_t seed);
void torch_threads(int n);
void torch_trim(void);
const char *torch_open_cuda(void);
int64_t torch_cuda_free(void);
