#include "packed.h"

#if defined(__x86_64__)
#include <immintrin.h>

// A weight [out, in] is packed into panels of TORCH_PANEL outputs. For each input, the panel's weights
// are adjacent.
enum { lanes = 16, panel = TORCH_PANEL, block = 8 };

#define WIDE __attribute__((target("avx512f")))

// tile multiplies a few rows of x by one panel. Each sum is computed input by input, so that a row's
// result depends neither on the number of rows nor on the thread that computes other panels.
WIDE static inline __attribute__((always_inline)) void tile(
    const int rows, const float *x, int64_t in, const float *w, const float *add, float *y, int64_t out, int64_t width) {
  __m512 sum[block][3];
#pragma GCC unroll 8
  for (int r = 0; r < rows; r++)
    for (int c = 0; c < 3; c++) sum[r][c] = _mm512_setzero_ps();
  for (int64_t k = 0; k < in; k++, w += panel) {
    const __m512 w0 = _mm512_loadu_ps(w), w1 = _mm512_loadu_ps(w + lanes), w2 = _mm512_loadu_ps(w + 2 * lanes);
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++) {
      const __m512 v = _mm512_set1_ps(x[r * in + k]);
      sum[r][0] = _mm512_fmadd_ps(v, w0, sum[r][0]);
      sum[r][1] = _mm512_fmadd_ps(v, w1, sum[r][1]);
      sum[r][2] = _mm512_fmadd_ps(v, w2, sum[r][2]);
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < rows; r++)
#pragma GCC unroll 3
    for (int c = 0; c < 3; c++) {
      const int64_t left = width - c * lanes;
      const __mmask16 some = left >= lanes ? 0xffff : left > 0 ? (1 << left) - 1 : 0;
      const int64_t at = r * out + c * lanes;
      if (add) sum[r][c] = _mm512_add_ps(sum[r][c], _mm512_maskz_loadu_ps(some, add + at));
      _mm512_mask_storeu_ps(y + at, some, sum[r][c]);
    }
}

WIDE void torch_packed_linear(const float *x, int64_t rows, int64_t in, const float *packed, int64_t out, int64_t first,
                              int64_t last, const float *add, float *y) {
  for (int64_t p = first; p < last; p++) {
    const float *w = packed + p * panel * in;
    const int64_t column = p * panel, width = out - column;
    for (int64_t row = 0; row < rows; row += block) {
      const float *from = x + row * in, *plus = add ? add + row * out + column : 0;
      float *to = y + row * out + column;
      switch (rows - row) {
        case 1: tile(1, from, in, w, plus, to, out, width); break;
        case 2: tile(2, from, in, w, plus, to, out, width); break;
        case 3: tile(3, from, in, w, plus, to, out, width); break;
        case 4: tile(4, from, in, w, plus, to, out, width); break;
        case 5: tile(5, from, in, w, plus, to, out, width); break;
        case 6: tile(6, from, in, w, plus, to, out, width); break;
        case 7: tile(7, from, in, w, plus, to, out, width); break;
        default: tile(block, from, in, w, plus, to, out, width);
      }
    }
  }
}

int torch_packs(void) { return __builtin_cpu_supports("avx512f"); }
#else
void torch_packed_linear(const float *x, int64_t rows, int64_t in, const float *packed, int64_t out, int64_t first,
                         int64_t last, const float *add, float *y) {}
int torch_packs(void) { return 0; }
#endif

void torch_pack(const float *weight, int64_t out, int64_t in, float *packed) {
  for (int64_t row = 0; row < out; row++)
    for (int64_t k = 0; k < in; k++)
      packed[(row / TORCH_PANEL * in + k) * TORCH_PANEL + row % TORCH_PANEL] = weight[row * in + k];
}
