// sandgate-runner: the one program in every sandbox pod.
#include <cstdio>
#include <string_view>

#include "runner/stage.h"

int main(int argc, char** argv) {
  const std::string_view subcommand = argc > 1 ? argv[1] : "";
  if (subcommand == "run-stage") return sandgate::runner::StageMain();
  std::fprintf(stderr, "usage: sandgate-runner install|serve ...\n");
  return 2;
}
