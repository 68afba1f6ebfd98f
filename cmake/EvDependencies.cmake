# The only find_package() calls of the project. All come from Debian 12's packages (tools/deps lists them).
find_package(Threads REQUIRED)
find_package(Protobuf REQUIRED)  # Module mode: Debian's package ships no CMake configuration.
find_package(gRPC CONFIG REQUIRED)
find_package(absl CONFIG REQUIRED)
find_package(prometheus-cpp CONFIG REQUIRED)
find_package(spdlog CONFIG REQUIRED)
find_package(OpenSSL REQUIRED)
find_package(SQLite3 REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(rdkafka REQUIRED IMPORTED_TARGET rdkafka)
pkg_check_modules(libedit REQUIRED IMPORTED_TARGET libedit)
pkg_check_modules(httplib REQUIRED IMPORTED_TARGET cpp-httplib)

if(BUILD_TESTING OR NOT DEFINED BUILD_TESTING)
  find_package(GTest CONFIG REQUIRED)
  find_package(benchmark CONFIG REQUIRED)
  find_package(Python3 REQUIRED COMPONENTS Interpreter)  # The checks and the end-to-end tests.
endif()

find_program(EV_GIT git)  # Names the commit in --version; a build without it does not know.

find_program(EV_CCACHE ccache)
if(EV_CCACHE)
  # Whatever starts the build: what another clone compiled, or this one in another folder, is not compiled again.
  set(launcher "${CMAKE_COMMAND}" -E env "CCACHE_BASEDIR=${PROJECT_SOURCE_DIR}" CCACHE_NOHASHDIR=1 "${EV_CCACHE}")
  set(CMAKE_CXX_COMPILER_LAUNCHER "${launcher}")
  set(CMAKE_C_COMPILER_LAUNCHER "${launcher}")
endif()

# A fast linker, when there is one: every test program links the whole of gRPC.
find_program(EV_MOLD NAMES mold)
find_program(EV_LLD NAMES ld.lld ld.lld-14)
if(EV_MOLD)
  add_link_options(-fuse-ld=mold)
elseif(EV_LLD AND CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  add_link_options(--ld-path=${EV_LLD})
endif()
