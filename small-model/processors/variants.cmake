# Builds llama.cpp's processor code several times, each time for more instructions, into the one library that it is. Which of them
# computes is chosen at run time (choice.cpp), by what the processor has.
#
# llama.cpp can do that itself only with shared libraries beside the program. Here each variant becomes one object whose symbols
# are its own, but for the function that registers it. CMake reads this file when it has read that of ggml: `.cargo/config.toml`
# names it. Where something needed is missing, llama.cpp is built as it is without this file: once, with AVX2.

# What puts calls off until then is younger than llama.cpp's own demand.
if(CMAKE_VERSION VERSION_LESS 3.19)
    return()
endif()

set(PROCESSOR_VARIANTS "${CMAKE_CURRENT_LIST_DIR}")

# Runs when the rest of ggml's folder has been read, and its targets are there.
cmake_language(DEFER CALL add_processor_variants)

# Whether a build has variants at all.
function(processor_variants_possible answer)
    set(${answer} NO PARENT_SCOPE)
    if(NOT TARGET ggml-cpu OR BUILD_SHARED_LIBS OR GGML_NATIVE OR GGML_BACKEND_DL)
        return()
    endif()
    # What it takes to make an object's symbols local.
    if(NOT CMAKE_SYSTEM_NAME STREQUAL "Linux" OR NOT CMAKE_CXX_COMPILER_ID STREQUAL "GNU" OR NOT CMAKE_OBJCOPY OR NOT CMAKE_LINKER)
        return()
    endif()
    if(NOT CMAKE_SYSTEM_PROCESSOR STREQUAL "x86_64")
        return()
    endif()
    set(${answer} YES PARENT_SCOPE)
endfunction()

function(add_processor_variants)
    processor_variants_possible(possible)
    if(NOT possible)
        message(STATUS "Instructions are chosen when this is built, not at run time")
        return()
    endif()
    # What is common to all, before any of them is added.
    get_target_property(folder ggml-cpu SOURCE_DIR)
    get_target_property(sources ggml-cpu SOURCES)
    list(TRANSFORM sources PREPEND "${folder}/")
    set(avx512 -mavx512f -mavx512cd -mavx512vl -mavx512dq -mavx512bw -mavx512vnni)
    add_processor_variant(avx512 ${avx512})
    add_processor_variant(amx ${avx512} -mavx512vbmi -mavx512bf16 -mamx-tile -mamx-int8)
    add_library(ggml-cpu-choice OBJECT "${PROCESSOR_VARIANTS}/choice.cpp")
    target_compile_features(ggml-cpu-choice PRIVATE cxx_std_17)
    target_link_libraries(ggml-cpu-choice PRIVATE ggml-base)
    get_target_property(includes ggml-cpu INCLUDE_DIRECTORIES)
    target_include_directories(ggml-cpu-choice PRIVATE ${includes})
    # The library's own objects are the variant that every processor has.
    target_compile_definitions(ggml-cpu PRIVATE ggml_backend_cpu_reg=ggml_backend_cpu_reg_avx2)
    target_sources(ggml-cpu PRIVATE $<TARGET_OBJECTS:ggml-cpu-choice>)
endfunction()

# One more variant: the library's sources and flags, and these.
function(add_processor_variant name)
    add_library(ggml-cpu-${name} OBJECT ${sources})
    foreach(property COMPILE_OPTIONS COMPILE_DEFINITIONS INCLUDE_DIRECTORIES COMPILE_FEATURES)
        get_target_property(value ggml-cpu ${property})
        set_property(TARGET ggml-cpu-${name} APPEND PROPERTY ${property} ${value})
    endforeach()
    get_directory_property(value DIRECTORY "${folder}" COMPILE_DEFINITIONS)
    target_compile_definitions(ggml-cpu-${name} PRIVATE ${value} ggml_backend_cpu_reg=ggml_backend_cpu_reg_${name})
    # Symbols that are the only ones of their name in a process cannot be made local.
    target_compile_options(ggml-cpu-${name} PRIVATE ${ARGN} $<$<COMPILE_LANGUAGE:CXX>:-fno-gnu-unique>)
    target_link_libraries(ggml-cpu-${name} PRIVATE ggml-base)
    set(object "${CMAKE_CURRENT_BINARY_DIR}/ggml-cpu-${name}.o")
    add_custom_command(
        OUTPUT "${object}"
        # A group is what several objects have in common, such as an instance of a template: the linker takes one of them for
        # all. Taken into the object, none of these instructions comes to those who did not ask for them.
        COMMAND ${CMAKE_LINKER} -r --force-group-allocation -o "${object}.all" "$<TARGET_OBJECTS:ggml-cpu-${name}>"
        COMMAND ${CMAKE_OBJCOPY} --keep-global-symbol=ggml_backend_cpu_reg_${name} "${object}.all" "${object}"
        DEPENDS ggml-cpu-${name}
        COMMAND_EXPAND_LISTS VERBATIM)
    add_custom_target(ggml-cpu-${name}-object DEPENDS "${object}")
    add_dependencies(ggml-cpu-${name}-object ggml-cpu-${name})
    add_dependencies(ggml-cpu ggml-cpu-${name}-object)
    set_source_files_properties("${object}" TARGET_DIRECTORY ggml-cpu PROPERTIES EXTERNAL_OBJECT ON GENERATED ON)
    target_sources(ggml-cpu PRIVATE "${object}")
endfunction()
