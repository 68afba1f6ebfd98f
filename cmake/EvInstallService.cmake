# Run by `cmake --install` and CPack: units, the user and configuration files. Only then is the prefix known, which the units
# name.
set(EV_BINDIR "${CMAKE_INSTALL_PREFIX}/${EV_RELATIVE_BINDIR}")
set(EV_DOCDIR "${CMAKE_INSTALL_PREFIX}/${EV_RELATIVE_DOCDIR}")
if(CMAKE_INSTALL_PREFIX STREQUAL "/usr")
  set(EV_CONFDIR /etc/evcharge)
else()
  set(EV_CONFDIR "${CMAKE_INSTALL_PREFIX}/etc/evcharge")
endif()

file(READ "${EV_PACKAGING}/systemd/hardening.conf" EV_HARDENING)
file(GLOB templates "${EV_PACKAGING}/systemd/*.service.in")
foreach(template IN LISTS templates)
  get_filename_component(unit "${template}" NAME_WLE)
  configure_file("${template}" "${EV_UNITS}/${unit}" @ONLY)
  file(INSTALL DESTINATION "${CMAKE_INSTALL_PREFIX}/lib/systemd/system" TYPE FILE FILES "${EV_UNITS}/${unit}")
endforeach()
file(INSTALL DESTINATION "${CMAKE_INSTALL_PREFIX}/lib/sysusers.d" TYPE FILE RENAME evcharge.conf
  FILES "${EV_PACKAGING}/systemd/evcharge.sysusers")

file(GLOB files "${EV_PACKAGING}/config/*.env")
foreach(file IN LISTS files)
  get_filename_component(name "${file}" NAME)
  if(EXISTS "$ENV{DESTDIR}${EV_CONFDIR}/${name}")
    message(STATUS "Kept: $ENV{DESTDIR}${EV_CONFDIR}/${name}")  # Somebody may have changed it.
  else()
    # It may hold credentials: systemd reads it as root.
    file(INSTALL DESTINATION "${EV_CONFDIR}" TYPE FILE PERMISSIONS OWNER_READ OWNER_WRITE GROUP_READ FILES "${file}")
  endif()
endforeach()
