// Which of the compiled instruction sets this processor can run.
#pragma once

#include <vector>

#include "job.hpp"

namespace undim {

// The fastest first; the last is the one that runs everywhere.
const std::vector<const Kernel*>& supported_kernels();

}  // namespace undim
