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
    Index pixels, radius, halo;
    bool opponent;  // brightness and colour differences are filtered, not R, G and B
    float *fresh, *v, *differences, *originals;  // the last two only where they are
    T* strided;
    GuidedFilter<typename Variance<T>::Sum> filter;
    Curves curves;

    Workspace(const Job& job, Index n, Arena& arena)
        : pixels(n),
          radius(job.filter.radius),
          halo(2 * radius),
          opponent(radius > 0 && job.filter.chroma_eps > 0.0f),
          fresh(arena.take<float>(3 * (n + 2 * halo))),
          v(arena.take<float>(3 * n)),
          differences(arena.take<float>(opponent ? 3 * (n + 2 * halo) : 0)),
          originals(arena.take<float>(opponent ? 3 * n * (halo + 1) : 0)),
          strided(arena.take<T>(3 * (n + 2 * halo))),
          filter(job.filter, n, arena),
          curves(job.curve, job.height, job.width, n, arena) {}

    // The filter is fed `fresh`, row i of the tile with its halo. Once it has enough of them, v is
    // the filtered row i - halo; returns that row's samples before the filter, or null.
    const float* filter_row(Index i) {
        const Index ring = halo + 1, n = 3 * pixels;
        if (opponent) {  // they cannot be had back from the differences bit for bit
            float* row = originals + i % ring * n;
            for (Index j = 0; j < n; ++j) row[j] = fresh[3 * halo + j];
            to_opponent(fresh, differences, n + 6 * halo);
        }
        filter.add_row(i, opponent ? differences : fresh);
        if (i >= halo) filter.add_coefficients(i);
        if (i < 2 * halo) return nullptr;
        const float* before = filter.x_row(i - halo) + 3 * halo;
        filter.result(before, v);
        if (opponent) from_opponent(v, n);
        clip(v, n);
        return opponent ? originals + (i - halo) % ring * n : before;
    }
};

template <typename T>
bool run(const Job& job, const Tile& tile, unsigned char* scratch) {
    Arena arena{scratch};
    Workspace<T> work(job, tile.right - tile.left, arena);
    work.curves.start_at(tile.left);
    if (work.radius) work.filter.clear();

    bool good = true;
    const Index halo = work.halo, n = 3 * work.pixels;
    const Index rows = tile.bottom - tile.top + 2 * halo;
    for (Index i = 0; i < rows; ++i) {  // row i of the tile with its halo
        good &= load(job, mirror(tile.top - halo + i, job.height), tile.left - halo,
                     tile.right + halo, work.fresh, work.strided);
        const float* before = work.radius ? work.filter_row(i) : work.fresh;
        if (!before) continue;
        if (!work.radius)
            for (Index j = 0; j < n; ++j) work.v[j] = before[j];
        const Index y = tile.top + i - 2 * halo;
        if (job.curve.iterations) work.curves.walk(y, work.v);
        T* out = reinterpret_cast<T*>(job.out) + 3 * (y * job.width + tile.left);
        from_unit(work.v, before, out, n);
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
