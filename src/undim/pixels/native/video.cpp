// The work on a frame of a video, compiled once per instruction set (UNDIM_ISA names it). As in
// tile.cpp, all of it is in anonymous namespaces and uses no inline function of the standard
// library.

#include "average.hpp"
#include "layout.hpp"
#include "yuv.hpp"
// GCC makes one instruction of a rounded product with AVX2. Without it, and with Clang, it is
// several, and floats are faster.
#if defined(__AVX2__) && defined(__GNUC__) && !defined(__clang__)
#define UNDIM_INTEGERS 1
#include "yuv8.hpp"
#else
#define UNDIM_INTEGERS 0
#endif

#define UNDIM_JOIN_(a, b) a##b
#define UNDIM_JOIN(a, b) UNDIM_JOIN_(a, b)

namespace undim {
namespace {

// Whether a frame is brightened in integers of 16 bits: where the compiler makes good code of it,
// for as many steps as are compiled in, and where 8 bits come out, for which the precision is
// enough. Samples that come in are of the same levels or, averaged over time, in 256ths of them;
// and the levels are such that no scale of fixed.hpp is left.
bool in_integers(const Yuv& job) {
    const Yuv::Planes &in = job.in, &out = job.out;
    const float finer = in.wide ? 256.0f : 1.0f;
    const bool same_levels = in.black == finer * out.black && in.luma == finer * out.luma &&
                             in.grey == finer * out.grey && in.chroma == finer * out.chroma;
    const bool usual_levels = out.black <= 16.0f && out.luma >= 128.0f && out.chroma >= out.luma &&
                              out.chroma <= 255.0f && out.grey == 128.0f;
    return UNDIM_INTEGERS && job.curve.iterations == 8 && !out.wide && same_levels && usual_levels;
}

// A function for each kind of work: with both in one, GCC 12 makes a frame a fifth slower. Without
// memory it does nothing; it returns how much it needs.
template <typename Work>
std::size_t run(const Yuv& job, const Tile& tile, unsigned char* scratch) {
    Arena arena{scratch};
    Work work(job, tile.right - tile.left, arena);
    if (scratch) work.run(tile);
    return arena.used;
}

std::size_t brighten(const Yuv& job, const Tile& tile, unsigned char* scratch) {
#if UNDIM_INTEGERS
    if (in_integers(job)) return run<IntegerBrightening>(job, tile, scratch);
#endif
    return run<Brightening>(job, tile, scratch);
}

// Floats with one a for the picture need little room, and take whole rows.
std::int64_t tile_width(const Yuv& job) {
    const bool whole_rows = layout_of(job.curve) == Layout::constant && !in_integers(job);
    return whole_rows ? job.width : video_tile_width;
}

}  // namespace

extern const VideoKernel UNDIM_JOIN(video_kernel_, UNDIM_ISA);
const VideoKernel UNDIM_JOIN(video_kernel_, UNDIM_ISA) = {brighten, tile_width, average,
                                                          average_scratch};

}  // namespace undim
