// Which of the compiled instruction sets this processor can run.
#pragma once

#include <string>
#include <vector>

#include "film_job.hpp"
#include "job.hpp"

namespace undim {

// The fastest first; the last is the one that runs everywhere.
const std::vector<const Kernel*>& supported_kernels();

// The one of that name, or the fastest where it is empty; throws std::invalid_argument where there is none.
const FilmKernel& film_kernel(const std::string& instructions);

}  // namespace undim
