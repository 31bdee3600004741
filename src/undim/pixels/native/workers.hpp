// Work that falls into numbered pieces, shared among threads that each have scratch memory of their
// own.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <system_error>
#include <thread>
#include <vector>

#include "job.hpp"

namespace undim {

// Calls work(piece, scratch) for every piece below `pieces`; scratch holds `bytes`, on a cache
// line.
template <typename Work>
void share(std::int64_t pieces, std::int64_t workers, std::size_t bytes, const Work& work) {
    const std::size_t room = (bytes + cache_line - 1) / cache_line * cache_line;
    std::vector<unsigned char> memory(static_cast<std::size_t>(workers) * room + cache_line);
    auto* scratch =
        memory.data() + (cache_line - reinterpret_cast<std::uintptr_t>(memory.data()) % cache_line);
    std::atomic<std::int64_t> next{0};
    const auto run = [&](std::int64_t worker) {
        for (std::int64_t piece; (piece = next.fetch_add(1)) < pieces;)
            work(piece, scratch + static_cast<std::size_t>(worker) * room);
    };
    std::vector<std::thread> helpers;
    try {
        for (std::int64_t worker = 1; worker < workers; ++worker) helpers.emplace_back(run, worker);
    } catch (const std::system_error&) {
        // no more threads to be had: the ones there are do the work
    }
    run(0);
    for (auto& helper : helpers) helper.join();
}

}  // namespace undim
