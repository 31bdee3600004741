#include "cpu.hpp"

#include <stdexcept>

#if defined(UNDIM_X86) && defined(_MSC_VER)
#include <immintrin.h>
#include <intrin.h>
#endif

namespace undim {

extern const Kernel kernel_baseline;
extern const VideoKernel video_kernel_baseline;

#ifdef UNDIM_X86
extern const Kernel kernel_avx2;
extern const VideoKernel video_kernel_avx2, video_kernel_avx512;

namespace {

// Of the processors with AVX-512 those with VBMI2 too (Ice Lake, Zen 4): the ones before lower
// their clock for it.
#ifdef _MSC_VER
struct Features {
    bool avx2 = false, avx512 = false;

    // CPUID leaves 1 and 7; XCR0 says whether the operating system keeps the wide registers.
    Features() {
        int r[4];
        __cpuid(r, 0);
        if (r[0] < 7) return;
        __cpuid(r, 1);
        const bool fma = r[2] & (1 << 12), osxsave = r[2] & (1 << 27);
        if (!fma || !osxsave) return;
        const auto kept = _xgetbv(0);
        __cpuidex(r, 7, 0);
        avx2 = (kept & 0x06) == 0x06 && (r[1] & (1 << 5));
        constexpr int f_dq = 1 << 16 | 1 << 17, bw_vl = 1 << 30 | static_cast<int>(1u << 31);
        constexpr int all = f_dq | bw_vl, vbmi2 = 1 << 6;
        avx512 = avx2 && (kept & 0xe6) == 0xe6 && (r[1] & all) == all && (r[2] & vbmi2);
    }
};
#else
struct Features {
    const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    const bool avx512 = avx2 && __builtin_cpu_supports("avx512f") &&
                        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw") &&
                        __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vbmi2");
};
#endif

}  // namespace
#endif

const std::vector<InstructionSet>& instruction_sets() {
    static const std::vector<InstructionSet> sets = [] {
        std::vector<InstructionSet> found;
#ifdef UNDIM_X86
        const Features features;
        if (features.avx512) found.push_back({"avx512", kernel_avx2, video_kernel_avx512});
        if (features.avx2) found.push_back({"avx2", kernel_avx2, video_kernel_avx2});
#endif
        found.push_back({"baseline", kernel_baseline, video_kernel_baseline});
        return found;
    }();
    return sets;
}

const InstructionSet& instruction_set(const std::string& name) {
    for (const InstructionSet& set : instruction_sets())
        if (name.empty() || name == set.name) return set;
    throw std::invalid_argument("this processor has no such instruction set");
}

}  // namespace undim
