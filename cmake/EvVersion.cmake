# Run by each build (libs/process/CMakeLists.txt): writes OUT, `#define EV_VERSION "..."`, when it would say something new.
# What libs/process/version.h promises about the text is made here.
set(version "${VERSION}")
set(revision "${REVISION}")
# Of this folder only: a source archive that lies in somebody's repository is none of its commits.
if(NOT revision AND GIT AND EXISTS "${SOURCE}/.git")
  execute_process(COMMAND "${GIT}" describe --tags --match "v${VERSION}" --exact-match --dirty=.dirty
    WORKING_DIRECTORY "${SOURCE}" OUTPUT_VARIABLE tag OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  if(NOT tag STREQUAL "v${VERSION}")
    execute_process(COMMAND "${GIT}" describe --always --exclude=* --abbrev=12 --dirty=.dirty
      WORKING_DIRECTORY "${SOURCE}" OUTPUT_VARIABLE commit OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
    if(commit)
      set(revision "g${commit}")  # As git does: a text of digits alone may not begin with 0.
    endif()
  endif()
endif()
if(revision)
  string(REGEX REPLACE "[^0-9A-Za-z.-]" "-" revision "${revision}")  # What semantic versions allow.
  string(APPEND version "+${revision}")
endif()

set(text "#define EV_VERSION \"${version}\"\n")
if(EXISTS "${OUT}")
  file(READ "${OUT}" old)
endif()
if(NOT old STREQUAL text)
  file(WRITE "${OUT}" "${text}")
endif()
