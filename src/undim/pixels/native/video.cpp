// The work on a frame of a video, compiled once per instruction set (UNDIM_ISA names it). As in
// tile.cpp, all of it is in anonymous namespaces and uses no inline function of the standard
// library.

#include "average.hpp"
#include "yuv.hpp"
// GCC makes one instruction of a rounded product with AVX2. Without it, and with Clang, it is
// several, and floats are faster.
#if defined(__AVX2__) && defined(__GNUC__) && !defined(__clang__)
#define UNDIM_WORDS 1
#include "yuv8.hpp"
#else
#define UNDIM_WORDS 0
#endif

#define UNDIM_JOIN_(a, b) a##b
#define UNDIM_JOIN(a, b) UNDIM_JOIN_(a, b)

namespace undim {
namespace {

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
#if UNDIM_WORDS
    if (job.words) return run<Brightening8>(job, tile, scratch);
#endif
    return run<Brightening>(job, tile, scratch);
}

}  // namespace

extern const VideoKernel UNDIM_JOIN(video_kernel_, UNDIM_ISA);
const VideoKernel UNDIM_JOIN(video_kernel_, UNDIM_ISA) = {brighten, average, average_scratch,
                                                          UNDIM_WORDS};

}  // namespace undim
