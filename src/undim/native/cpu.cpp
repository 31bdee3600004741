#include "cpu.hpp"

#include <stdexcept>

#if defined(UNDIM_X86) && defined(_MSC_VER)
#include <immintrin.h>
#include <intrin.h>
#endif

namespace undim {

extern const Kernel kernel_baseline;
extern const FilmKernel film_kernel_baseline;

#ifdef UNDIM_X86
extern const Kernel kernel_avx2;
extern const FilmKernel film_kernel_avx2;

namespace {

#ifdef _MSC_VER
// CPUID leaves 1 and 7; XCR0 says whether the operating system keeps the wide registers.
bool has_avx2() {
    int r[4];
    __cpuid(r, 0);
    if (r[0] < 7) return false;
    __cpuid(r, 1);
    const bool fma = r[2] & (1 << 12), osxsave = r[2] & (1 << 27);
    if (!fma || !osxsave || (_xgetbv(0) & 6) != 6) return false;
    __cpuidex(r, 7, 0);
    return r[1] & (1 << 5);
}
#else
bool has_avx2() { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }
#endif

}  // namespace
#endif

const std::vector<const Kernel*>& supported_kernels() {
    static const std::vector<const Kernel*> kernels = [] {
        std::vector<const Kernel*> found;
#ifdef UNDIM_X86
        if (has_avx2()) found.push_back(&kernel_avx2);
#endif
        found.push_back(&kernel_baseline);
        return found;
    }();
    return kernels;
}

const FilmKernel& film_kernel(const std::string& instructions) {
#ifdef UNDIM_X86
    if (has_avx2() && (instructions.empty() || instructions == film_kernel_avx2.name)) return film_kernel_avx2;
#endif
    if (instructions.empty() || instructions == film_kernel_baseline.name) return film_kernel_baseline;
    throw std::invalid_argument("this processor has no such instruction set");
}

}  // namespace undim
