#include <stdint.h>

#define TORCH_PANEL 48

int torch_packs(void);
void torch_pack(const float *weight, int64_t out, int64_t in, float *packed);
void torch_packed_linear(const float *x, int64_t rows, int64_t in, const float *packed, int64_t out, int64_t first,
                         int64_t last, const float *add, float *y);
