// Which of the compiled instruction sets this processor can run.
#pragma once

#include <string>
#include <vector>

#include "job.hpp"
#include "video_job.hpp"

namespace undim {

struct InstructionSet {
    const char* name;
    const Kernel& kernel;
    const VideoKernel& video;
};

// The fastest first; the last is the one that runs everywhere.
const std::vector<InstructionSet>& instruction_sets();

// The one of that name, or the fastest where it is empty; throws std::invalid_argument where there
// is none.
const InstructionSet& instruction_set(const std::string& name);

}  // namespace undim
