# Read by cpack: the package's version is that of the programs in it. A commit that is no release sorts before the release of
# its number, and after the commits before it: 0.1.0~git20261122224501.06d54b5c2d1a.
file(STRINGS "${CPACK_EV_VERSION_HEADER}" line REGEX "^#define EV_VERSION ")
string(REGEX REPLACE "^#define EV_VERSION \"(.*)\"$" "\\1" version "${line}")
if(version MATCHES "^([^+]*)\\+(.*)$")
  set(number "${CMAKE_MATCH_1}")
  string(REGEX REPLACE "^g" "" revision "${CMAKE_MATCH_2}")
  set(time "")
  if(CPACK_EV_GIT AND EXISTS "${CPACK_EV_SOURCE}/.git")
    execute_process(COMMAND "${CMAKE_COMMAND}" -E env TZ=UTC "${CPACK_EV_GIT}" show -s --format=%cd
                            --date=format-local:%Y%m%d%H%M%S HEAD
      WORKING_DIRECTORY "${CPACK_EV_SOURCE}" OUTPUT_VARIABLE time OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  endif()
  string(REPLACE "-" "." revision "${revision}")  # A `-` would end the version and begin a Debian revision.
  set(version "${number}~git${time}.${revision}")
endif()
set(CPACK_DEBIAN_PACKAGE_VERSION "${version}")
set(CPACK_PACKAGE_VERSION "${version}")
