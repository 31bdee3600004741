// The work on a frame of a film, compiled once per instruction set (UNDIM_ISA names it). As in tile.cpp, all of it is
// in anonymous namespaces and uses no inline function of the standard library.

#include "average.hpp"
#include "yuv.hpp"
#include "yuv8.hpp"

#define UNDIM_JOIN_(a, b) a##b
#define UNDIM_JOIN(a, b) UNDIM_JOIN_(a, b)
#define UNDIM_TEXT_(a) #a
#define UNDIM_TEXT(a) UNDIM_TEXT_(a)

namespace undim {
namespace {

void brighten(const Yuv& job, const Tile& tile, unsigned char* scratch) {
    Arena arena{scratch};
    if (job.words)
        Brightening8(job, tile.right - tile.left, arena).run(tile);
    else
        Brightening(job, tile.right - tile.left, arena).run(tile);
}

std::size_t brighten_scratch(const Yuv& job, const Tile& tile) {
    Arena arena{nullptr};
    if (job.words)
        Brightening8(job, tile.right - tile.left, arena);
    else
        Brightening(job, tile.right - tile.left, arena);
    return arena.used;
}

}  // namespace

extern const FilmKernel UNDIM_JOIN(film_kernel_, UNDIM_ISA);
const FilmKernel UNDIM_JOIN(film_kernel_, UNDIM_ISA) = {UNDIM_TEXT(UNDIM_ISA), brighten, brighten_scratch, average,
                                                               average_scratch};

}  // namespace undim
