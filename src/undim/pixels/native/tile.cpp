// The work on one tile: load -> [guided filter] -> curve -> round and store, row by row, all in the
// cache.
//
// Compiled once per instruction set (UNDIM_ISA names it), with the headers it includes. All of that
// is in anonymous namespaces and uses no inline function of the standard library: the linker could
// otherwise hand code with wide instructions to callers that must run everywhere.
//
// Rows stay interleaved (R G B R G B ...): every loop runs over plain contiguous floats, which
// compilers vectorise.

#include "boxes.hpp"
#include "curves.hpp"
#include "filter.hpp"

#define UNDIM_JOIN_(a, b) a##b
#define UNDIM_JOIN(a, b) UNDIM_JOIN_(a, b)

namespace undim {
namespace {

// What a tile needs beside the image; with an arena without memory it is only measured.
template <typename T>
struct Workspace {
    float *fresh, *v, *opponent,
        *originals;  // the last two only where colour differences are filtered
    T* strided;
    GuidedFilter<typename Variance<T>::Sum> filter;
    Curves curves;

    Workspace(const Job& job, Index pixels, Arena& arena)
        : fresh(arena.take<float>(3 * (pixels + 4 * job.filter.radius))),
          v(arena.take<float>(3 * pixels)),
          opponent(arena.take<float>(
              job.filter.chroma_eps > 0.0f ? 3 * (pixels + 4 * job.filter.radius) : 0)),
          originals(arena.take<float>(
              job.filter.chroma_eps > 0.0f ? 3 * pixels * (2 * job.filter.radius + 1) : 0)),
          strided(arena.take<T>(3 * (pixels + 4 * job.filter.radius))),
          filter(job.filter, pixels, arena),
          curves(job.curve, job.height, job.width, pixels, arena) {}
};

template <typename T>
bool run(const Job& job, const Tile& tile, unsigned char* scratch) {
    const Index halo = 2 * job.filter.radius;
    const Index pixels = tile.right - tile.left;
    Arena arena{scratch};
    Workspace<T> work(job, pixels, arena);
    work.curves.start_at(tile.left);
    if (job.filter.radius) work.filter.clear();

    bool good = true;
    const Index rows = tile.bottom - tile.top + 2 * halo;
    for (Index i = 0; i < rows; ++i) {  // row i of the tile with its halo
        good &= load(job, mirror(tile.top - halo + i, job.height), tile.left - halo,
                     tile.right + halo, work.fresh, work.strided);
        const float* before = work.fresh;
        if (job.filter.radius) {
            const bool opponent = job.filter.chroma_eps > 0.0f;
            const Index ring = halo + 1, n = 3 * pixels;
            if (opponent) {
                float* row = work.originals + i % ring * n;
                for (Index j = 0; j < n; ++j) row[j] = work.fresh[3 * halo + j];
                to_opponent(work.fresh, work.opponent, n + 6 * halo);
            }
            work.filter.add_row(i, opponent ? work.opponent : work.fresh);
            if (i >= halo) work.filter.add_coefficients(i);
            if (i < 2 * halo) continue;
            before = work.filter.x_row(i - halo) + 3 * halo;
            work.filter.result(before, work.v);
            if (opponent) {
                from_opponent(work.v, n);
                before = work.originals + (i - halo) % ring * n;
            }
            clip(work.v, n);
        } else {
            for (Index j = 0; j < 3 * pixels; ++j) work.v[j] = before[j];
        }
        const Index y = tile.top + i - 2 * halo;
        if (job.curve.iterations) work.curves.walk(y, work.v);
        from_unit(work.v, before, reinterpret_cast<T*>(job.out) + 3 * (y * job.width + tile.left),
                  3 * pixels);
    }
    return good;
}

template <typename Work>
auto with_sample_type(Sample sample, Work work) {
    switch (sample) {
        case Sample::u8: return work(std::uint8_t{});
        case Sample::u16: return work(std::uint16_t{});
        default: return work(float{});
    }
}

bool run_tile(const Job& job, const Tile& tile, unsigned char* scratch) {
    return with_sample_type(job.sample,
                            [&](auto sample) { return run<decltype(sample)>(job, tile, scratch); });
}

std::size_t scratch_bytes(const Job& job, const Tile& tile) {
    return with_sample_type(job.sample, [&](auto sample) {
        Arena arena{nullptr};
        Workspace<decltype(sample)>(job, tile.right - tile.left, arena);
        return arena.used;
    });
}

void box_means(const Boxes& job, Index row, unsigned char* scratch) {
    with_sample_type(job.sample,
                     [&](auto sample) { average_row<decltype(sample)>(job, row, scratch); });
}

}  // namespace

extern const Kernel UNDIM_JOIN(kernel_, UNDIM_ISA);
const Kernel UNDIM_JOIN(kernel_, UNDIM_ISA) = {run_tile, scratch_bytes, box_means};

}  // namespace undim
