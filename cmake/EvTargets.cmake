# One function per kind of target. They set the language level, the warnings, the include roots (`libs/` for libraries,
# the repository for `services/` and `tests/`), and record each target's layer for ev_check_layers().

set(EV_LAYERS base domain ports core adapter service)
set(EV_WARNINGS -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual -Wimplicit-fallthrough
    -Wno-missing-field-initializers  # Designated initialisers that leave the rest at its default are our idiom.
    -Werror)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/bin")
set_property(GLOBAL PROPERTY EV_LAYERED_TARGETS "")

# What can be built apart: the programs of one test label, and the generated code (all that clang-tidy needs).
foreach(label unit integration sim e2e threads)
  add_custom_target(ev_tests_${label})
endforeach()
add_custom_target(ev_protos)

function(_ev_configure target)
  target_compile_features(${target} PUBLIC cxx_std_20)
  set_target_properties(${target} PROPERTIES CXX_EXTENSIONS OFF)
  target_compile_options(${target} PRIVATE ${EV_WARNINGS})
  if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
    target_compile_options(${target} PRIVATE -Wthread-safety -Wno-gnu-statement-expression)
  endif()
  target_include_directories(${target} PUBLIC "${PROJECT_SOURCE_DIR}/libs" "${PROJECT_SOURCE_DIR}")
endfunction()

function(_ev_record_layer target layer)
  list(FIND EV_LAYERS "${layer}" rank)
  if(rank EQUAL -1)
    message(FATAL_ERROR "${target}: unknown layer '${layer}'; one of: ${EV_LAYERS}")
  endif()
  set_target_properties(${target} PROPERTIES EV_LAYER "${layer}" EV_RANK "${rank}")
  set_property(GLOBAL APPEND PROPERTY EV_LAYERED_TARGETS ${target})
endfunction()

# ev_add_library(NAME x LAYER base|domain|ports|core|adapter SRCS ... HDRS ... DEPS ...)
# Makes the target ev_x, used as ev::x. Without SRCS it is header-only.
function(ev_add_library)
  cmake_parse_arguments(A "" "NAME;LAYER" "SRCS;HDRS;DEPS" ${ARGN})
  set(target ev_${A_NAME})
  if(A_SRCS)
    add_library(${target} STATIC ${A_SRCS} ${A_HDRS})
    _ev_configure(${target})
    target_link_libraries(${target} PUBLIC ${A_DEPS})
  else()
    add_library(${target} INTERFACE)
    target_compile_features(${target} INTERFACE cxx_std_20)
    target_include_directories(${target} INTERFACE "${PROJECT_SOURCE_DIR}/libs" "${PROJECT_SOURCE_DIR}")
    target_link_libraries(${target} INTERFACE ${A_DEPS})
  endif()
  add_library(ev::${A_NAME} ALIAS ${target})
  _ev_record_layer(${target} ${A_LAYER})
endfunction()

# Under ThreadSanitizer every program carries the shim for C11 threads, which librdkafka starts.
option(EV_TSAN "The build is for ThreadSanitizer" OFF)
if(EV_TSAN)
  add_library(tsan_c11_threads OBJECT "${PROJECT_SOURCE_DIR}/tests/support/tsan_c11_threads.c")
endif()
set(EV_TEST_TIMEOUT_S 120 CACHE STRING "After so many seconds a test has failed")
function(_ev_configure_program target)
  _ev_configure(${target})
  if(EV_TSAN)
    target_sources(${target} PRIVATE $<TARGET_OBJECTS:tsan_c11_threads>)
    target_compile_definitions(${target} PRIVATE EV_TSAN)
  endif()
endfunction()

# Runs a test as our programs want it: the tools of tools/deps come first, and a sanitizer's finding fails it.
function(_ev_configure_test name)
  set(symbolizer)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang" AND CMAKE_CXX_FLAGS MATCHES "-fsanitize")
    # Without it a suppression, which names a function, suppresses nothing.
    find_program(EV_SYMBOLIZER NAMES llvm-symbolizer-14 REQUIRED)
    set(symbolizer "external_symbolizer_path=${EV_SYMBOLIZER}")
  endif()
  set(tsan "suppressions=${PROJECT_SOURCE_DIR}/tests/support/tsan.supp:ignore_noninstrumented_modules=1:halt_on_error=1:${symbolizer}")
  set(lsan "suppressions=${PROJECT_SOURCE_DIR}/tests/support/lsan.supp:print_suppressions=0")
  set_tests_properties(${name} PROPERTIES
    ENVIRONMENT "ASAN_OPTIONS=${symbolizer};TSAN_OPTIONS=${tsan};LSAN_OPTIONS=${lsan};UBSAN_OPTIONS=print_stacktrace=1"
    ENVIRONMENT_MODIFICATION
      "PATH=path_list_prepend:${PROJECT_SOURCE_DIR}/build/tools/venv/bin;PATH=path_list_prepend:${PROJECT_SOURCE_DIR}/build/tools/bin")
endfunction()

# ev_add_service(NAME ev-central SRCS main.cc DEPS ...): a program in build/<preset>/bin.
function(ev_add_service)
  cmake_parse_arguments(A "" "NAME" "SRCS;DEPS" ${ARGN})
  add_executable(${A_NAME} ${A_SRCS})
  _ev_configure_program(${A_NAME})
  target_link_libraries(${A_NAME} PRIVATE ${A_DEPS})
  _ev_record_layer(${A_NAME} service)
  install(TARGETS ${A_NAME} RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}")
endfunction()

# ev_add_proto(NAME x SRCS a.proto ... [GRPC] DEPS ...): C++ from protos below proto/, included by their path there.
function(ev_add_proto)
  cmake_parse_arguments(A "GRPC" "NAME" "SRCS;DEPS" ${ARGN})
  set(target ev_${A_NAME})
  set(root "${PROJECT_SOURCE_DIR}/proto")
  set(out "${CMAKE_BINARY_DIR}/gen")
  file(MAKE_DIRECTORY "${out}")
  set(generated)
  foreach(src IN LISTS A_SRCS)
    string(REGEX REPLACE "\\.proto$" "" stem "${src}")
    set(files "${out}/${stem}.pb.cc" "${out}/${stem}.pb.h")
    set(args --cpp_out=${out} --dependency_out=${out}/${stem}.d)  # The .d makes a change of an imported proto count.
    set(tools protobuf::protoc)
    if(A_GRPC)
      list(PREPEND files "${out}/${stem}.grpc.pb.cc" "${out}/${stem}.grpc.pb.h")  # First, as in the .d: ninja compares.
      list(APPEND args --grpc_out=${out} --plugin=protoc-gen-grpc=$<TARGET_FILE:gRPC::grpc_cpp_plugin>)
      list(APPEND tools gRPC::grpc_cpp_plugin)
    endif()
    add_custom_command(
      OUTPUT ${files}
      COMMAND protobuf::protoc -I "${root}" ${args} "${root}/${src}"
      DEPENDS "${root}/${src}" ${tools}
      DEPFILE "${out}/${stem}.d"
      COMMENT "protoc ${src}")
    list(APPEND generated ${files})
  endforeach()
  add_custom_target(${target}_generated DEPENDS ${generated})
  add_dependencies(ev_protos ${target}_generated)
  add_library(${target} STATIC ${generated})
  target_compile_features(${target} PUBLIC cxx_std_20)
  target_include_directories(${target} SYSTEM PUBLIC "${out}")
  target_link_libraries(${target} PUBLIC ${A_DEPS} protobuf::libprotobuf)
  if(A_GRPC)
    target_link_libraries(${target} PUBLIC gRPC::grpc++)
  endif()
  add_library(ev::${A_NAME} ALIAS ${target})
  _ev_record_layer(${target} adapter)
endfunction()

# ev_add_test(NAME x_test KIND unit|integration|sim|e2e SRCS ... DEPS ... [LABELS threads ...])
# One ctest test per program; its label is its kind. `threads` marks what runs under tsan. The targets ev_tests_<label>
# build just the programs of a label.
function(ev_add_test)
  cmake_parse_arguments(A "" "NAME;KIND" "SRCS;DEPS;LABELS" ${ARGN})
  add_executable(${A_NAME} ${A_SRCS})
  _ev_configure_program(${A_NAME})
  target_link_libraries(${A_NAME} PRIVATE ${A_DEPS} GTest::gmock_main)
  set_target_properties(${A_NAME} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/tests")
  add_test(NAME ${A_NAME} COMMAND ${A_NAME})
  set_tests_properties(${A_NAME} PROPERTIES LABELS "${A_KIND};${A_LABELS}" TIMEOUT ${EV_TEST_TIMEOUT_S})
  _ev_configure_test(${A_NAME})
  foreach(label IN LISTS A_KIND A_LABELS)
    add_dependencies(ev_tests_${label} ${A_NAME})
  endforeach()
endfunction()

# ev_add_script_test(NAME x KIND checks|k8s|package|e2e COMMAND ... [TIMEOUT seconds] [LABELS ...]): any command that exits 0; run in
# the repository's root. The programs are in $EV_BIN.
function(ev_add_script_test)
  cmake_parse_arguments(A "" "NAME;KIND;TIMEOUT" "COMMAND;LABELS" ${ARGN})
  if(NOT A_TIMEOUT)
    set(A_TIMEOUT 120)
  endif()
  add_test(NAME ${A_NAME} COMMAND ${A_COMMAND} WORKING_DIRECTORY "${PROJECT_SOURCE_DIR}")
  set_tests_properties(${A_NAME} PROPERTIES LABELS "${A_KIND};${A_LABELS}" TIMEOUT ${A_TIMEOUT})
  if(A_KIND STREQUAL "e2e")
    set_tests_properties(${A_NAME} PROPERTIES RUN_SERIAL TRUE)  # Whole networks: one at a time.
  endif()
  _ev_configure_test(${A_NAME})
  set_property(TEST ${A_NAME} APPEND PROPERTY ENVIRONMENT "EV_BIN=${CMAKE_RUNTIME_OUTPUT_DIRECTORY}")
endfunction()

# ev_add_bench(NAME x_bench SRCS ... DEPS ...): Google Benchmark; built always but under sanitizers, run by tools/bench.
option(EV_BENCHES "Build the benchmarks" ON)
function(ev_add_bench)
  if(NOT EV_BENCHES)
    return()
  endif()
  cmake_parse_arguments(A "" "NAME" "SRCS;DEPS" ${ARGN})
  add_executable(${A_NAME} ${A_SRCS})
  _ev_configure(${A_NAME})
  target_link_libraries(${A_NAME} PRIVATE ${A_DEPS} benchmark::benchmark_main)
  set_target_properties(${A_NAME} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/bench")
endfunction()

# A target depends on its own layer or lower; below `adapter` the only third party is absl::. Configure fails otherwise.
function(ev_check_layers)
  get_property(targets GLOBAL PROPERTY EV_LAYERED_TARGETS)
  list(FIND EV_LAYERS adapter adapter_rank)
  foreach(target IN LISTS targets)
    get_target_property(rank ${target} EV_RANK)
    get_target_property(layer ${target} EV_LAYER)
    # What is really linked, not what the call said: a target_link_libraries() of its own counts too.
    get_target_property(type ${target} TYPE)
    if(type STREQUAL "INTERFACE_LIBRARY")
      get_target_property(deps ${target} INTERFACE_LINK_LIBRARIES)
    else()
      get_target_property(deps ${target} LINK_LIBRARIES)
    endif()
    foreach(dep IN LISTS deps)
      if(dep MATCHES "^ev(::|_)(.*)$")
        set(dep_target ev_${CMAKE_MATCH_2})
        if(NOT TARGET ${dep_target})
          message(FATAL_ERROR "layer check: ${target} depends on ${dep}, which does not exist")
        endif()
        get_target_property(dep_rank ${dep_target} EV_RANK)
        get_target_property(dep_layer ${dep_target} EV_LAYER)
        if(dep_rank GREATER rank)
          message(FATAL_ERROR "layer check: ${target} (${layer}) must not depend on ${dep} (${dep_layer})")
        endif()
      elseif(dep AND rank LESS adapter_rank AND NOT dep MATCHES "^absl::")
        message(FATAL_ERROR "layer check: ${target} (${layer}) must not depend on ${dep}: below 'adapter' only absl:: is allowed")
      endif()
    endforeach()
  endforeach()
endfunction()
