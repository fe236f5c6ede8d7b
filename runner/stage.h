// `sandgate-runner run-stage`: a fresh, single-threaded process for every run, so that what goes on
// between clone and exec is ordinary code, and so that no memory of the runner (its key, other
// results) is ever copied into a run's namespaces.
#pragma once

namespace sandgate::runner {

// The whole life of the stage. It makes the run's namespaces, tells the runner the pid of their
// init over kStatusFd, and exits; the init is the runner's own child. Returns the exit code.
int StageMain();

}  // namespace sandgate::runner
