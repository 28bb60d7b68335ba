@echo off
rem build.bat - compiles and runs everything. "build.bat help" explains; README.md shows it.
rem
rem Names of variables begin with opt_, so that no word on the command line can overwrite PATH.
rem So that it also runs in Wine's cmd: "if errorlevel 1" stands where && and || would be shorter,
rem and opt_failed ends a "for", which exit does not.
setlocal EnableExtensions DisableDelayedExpansion

call :find_out_if_double_clicked "%~f0" %1
cd /d "%~dp0"
if errorlevel 1 exit /b 1

set "opt_compiler="
set "opt_verb="
set "opt_strict="
set "opt_debug="
set "opt_chapters="
set "opt_program="
set "opt_rest="
set "opt_exercise="
set "opt_exercises=UPPER IDLE CHAT CROWD GREETING FRAME WAITERS FAREWELL DUPLEX TIMER COUNT BATCH ROOM"
set "opt_status=0"
set "opt_failed="

:next_word
if "%~1"=="" goto words_are_read
if defined opt_program goto next_argument
set "opt_word=%~1"
shift
set "opt_known="
for %%w in (cl gcc clang) do if /i "%opt_word%"=="%%w" set "opt_known=%%w"
if defined opt_known set "opt_compiler=%opt_known%"
if defined opt_known goto next_word
for %%w in (demo run test check hint notes bench timeline clean help) do if /i "%opt_word%"=="%%w" set "opt_known=%%w"
if defined opt_known if defined opt_verb goto two_verbs
if defined opt_known set "opt_verb=%opt_known%"
if defined opt_known goto next_word
for %%w in (strict debug) do if /i "%opt_word%"=="%%w" set "opt_known=%%w"
if defined opt_known set "opt_%opt_known%=yes"
if defined opt_known goto next_word
if "%opt_verb%"=="run" if defined opt_chapters set "opt_program=%opt_word%"
if defined opt_program goto next_word
if "%opt_verb%"=="notes" set opt_rest=%opt_rest% "%opt_word%"
if "%opt_verb%"=="notes" goto next_word
set "opt_known="
if "%opt_verb%"=="check" call :find_exercise
if "%opt_verb%"=="hint" call :find_exercise
if defined opt_known goto next_word
call :find_chapter
if not errorlevel 1 goto next_word
set "opt_status=2"
goto finish

:next_argument
rem What follows "run CHAPTER PROGRAM" belongs to the program, as it stands.
set opt_rest=%opt_rest% %1
shift
goto next_word

:two_verbs
echo build.bat: %opt_verb% and %opt_known%: one at a time
set "opt_status=2"
goto finish

:words_are_read
if not defined opt_verb set "opt_verb=build"
call :verb_%opt_verb%
set "opt_status=%errorlevel%"

:finish
if defined opt_double_clicked pause
exit /b %opt_status%

rem ---- the verbs --------------------------------------------------------------------------------

:verb_build
call :choose_compiler
if errorlevel 1 exit /b 1
call :build_chapters
if errorlevel 1 exit /b 1
echo Built in the folder build, with %opt_compiler%.
exit /b 0

:verb_demo
call :choose_compiler
if errorlevel 1 exit /b 1
call :build_chapters
if errorlevel 1 exit /b 1
call :compile tools demo tools\harness.c
if errorlevel 1 exit /b 1
for %%c in (%opt_chapters%) do if not defined opt_failed call :demo_chapter "%%~c"
if defined opt_failed exit /b 1
exit /b 0

:demo_chapter
build\tools\demo.exe "build\%~1"
if errorlevel 1 set "opt_failed=yes"
exit /b 0

:verb_run
if not defined opt_program (
    echo build.bat: run needs a chapter and a program, for example: build.bat run ch21 server
    exit /b 2
)
for %%c in (%opt_chapters%) do set "opt_chapter=%%~c"
if not exist "%opt_chapter%\%opt_program%.c" goto unknown_program
rem It may have been changed, so it is compiled again; but a program that runs, a second client for
rem instance, cannot be deleted, and is started as it is.
if exist "build\%opt_chapter%\%opt_program%.exe" del "build\%opt_chapter%\%opt_program%.exe" >nul 2>nul
if exist "build\%opt_chapter%\%opt_program%.exe" goto run_it
rem Standard output is the program's own.
call :choose_compiler 1>&2
if errorlevel 1 exit /b 1
call :compile "%opt_chapter%" "%opt_program%" 1>&2
if errorlevel 1 exit /b 1
:run_it
"build\%opt_chapter%\%opt_program%.exe" %opt_rest%
exit /b %errorlevel%
:unknown_program
echo build.bat: %opt_chapter% has no program "%opt_program%". It has:
call :list_programs "%opt_chapter%"
for %%p in (%opt_programs%) do echo     %%p
exit /b 2

:verb_test
set "opt_strict=yes"
set "opt_test_status=0"
rem The notes are about all the chapters.
if not defined opt_chapters call :notes_in_test
call :check_chapters
if errorlevel 1 set "opt_test_status=1"
exit /b %opt_test_status%

:notes_in_test
call :verb_notes
if errorlevel 1 set "opt_test_status=1"
exit /b 0

:verb_notes
call :choose_compiler
if errorlevel 1 exit /b 1
call :compile course\notes notes "course\notes\notes_21.c course\notes\notes_22.c course\notes\notes_23.c"
if errorlevel 1 exit /b 1
build\course\notes\notes.exe %opt_rest%
exit /b %errorlevel%

:verb_check
if not defined opt_chapters goto list_exercises
if defined opt_exercise goto check_exercise
:check_chapters
call :choose_compiler
if errorlevel 1 exit /b 1
call :build_chapters
if errorlevel 1 exit /b 1
call :compile_check
if errorlevel 1 exit /b 1
call :compile tools blocking_server
if errorlevel 1 exit /b 1
set opt_folders=
for %%c in (%opt_chapters%) do call :add_folder %%c
build\tests\check.exe --compiler %opt_compiler% %opt_folders%
exit /b %errorlevel%

:list_exercises
if defined opt_exercise goto exercise_without_chapter
call :choose_compiler
if errorlevel 1 exit /b 1
call :compile_check
if errorlevel 1 exit /b 1
build\tests\check.exe --list
exit /b %errorlevel%

:check_exercise
call :choose_compiler
if errorlevel 1 exit /b 1
for %%c in (%opt_chapters%) do set "opt_chapter=%%~c"
call :compile "%opt_chapter%" server
if errorlevel 1 exit /b 1
call :compile_check
if errorlevel 1 exit /b 1
build\tests\check.exe --compiler %opt_compiler% --exercise %opt_exercise% "build\%opt_chapter%"
exit /b %errorlevel%

:exercise_without_chapter
echo build.bat: %opt_exercise% of which folder? For example: build.bat %opt_verb% my_server %opt_exercise%
exit /b 2

:compile_check
call :compile tests check "tests\peers.c tests\homework.c tests\homework_checks.c tests\server_checks.c tests\client_checks.c tools\harness.c"
exit /b %errorlevel%

:verb_hint
if not defined opt_exercise goto hint_for_what
if not defined opt_chapters goto exercise_without_chapter
if not defined opt_rest set "opt_rest=1"
for %%c in (%opt_chapters%) do set "opt_chapter=%%~c"
rem The hint alone is what was asked for.
call :choose_compiler >nul
if errorlevel 1 exit /b 1
if not exist build\tests\check.exe call :compile_check >nul
if errorlevel 1 exit /b 1
build\tests\check.exe --hint %opt_exercise% %opt_rest% "%opt_chapter%"
exit /b %errorlevel%

:hint_for_what
echo build.bat: hint needs a folder and an exercise, for example: build.bat hint ch21 UPPER 1
echo The exercises are: %opt_exercises%
exit /b 2

:verb_bench
call :choose_compiler
if errorlevel 1 exit /b 1
call :build_chapters
if errorlevel 1 exit /b 1
call :compile tools blocking_server
if errorlevel 1 exit /b 1
call :compile tools bench tools\harness.c
if errorlevel 1 exit /b 1
rem The load comes from the client of chapter 23, which may not be among the chapters.
if not exist build\ch23_iocp\client.exe call :compile ch23_iocp client
if errorlevel 1 exit /b 1
set opt_servers=
for %%c in (%opt_chapters%) do call :add_servers "%%~c"
build\tools\bench.exe build\bench.csv build\ch23_iocp\client.exe build\tools\blocking_server.exe %opt_servers%
exit /b %errorlevel%

:add_servers
if exist "build\%~1\select_server.exe" set opt_servers=%opt_servers% "build\%~1\select_server.exe"
set opt_servers=%opt_servers% "build\%~1\server.exe"
exit /b 0

:verb_timeline
call :choose_compiler
if errorlevel 1 exit /b 1
call :build_chapters
if errorlevel 1 exit /b 1
call :compile tools timeline
if errorlevel 1 exit /b 1
call :compile tools scenario tools\harness.c
if errorlevel 1 exit /b 1
for %%c in (%opt_chapters%) do if not defined opt_failed call :draw_chapter "%%~c"
if defined opt_failed exit /b 1
exit /b 0

:draw_chapter
build\tools\scenario.exe "build\%~1"
if errorlevel 1 set "opt_failed=yes"
if defined opt_failed exit /b 1
build\tools\timeline.exe --connected "build\%~1\server.log" "build\%~1\client_a.log" "build\%~1\client_b.log" >"build\%~1\timeline.svg"
if errorlevel 1 set "opt_failed=yes"
if defined opt_failed exit /b 1
echo build\%~1\timeline.svg: open it in a browser, for example with: start "" "build\%~1\timeline.svg"
exit /b 0

:verb_clean
for /d %%d in (build\*) do call :remove_folder "%%~nxd"
if defined opt_failed exit /b 1
if not exist build\linux if exist build rmdir build
exit /b 0

:remove_folder
rem build\linux belongs to build.sh, which may be running this.
if /i "%~1"=="linux" exit /b 0
rmdir /s /q "build\%~1"
if not exist "build\%~1\" exit /b 0
echo build.bat: build\%~1 could not be removed: does a program in it still run?
set "opt_failed=yes"
exit /b 0

:verb_help
echo build.bat [cl^|gcc^|clang] [VERB] [CHAPTER ...]
echo.
echo   without a verb     compiles the chapters into the folder build
echo   demo               lets a server and a client of each chapter talk, and shows what they do
echo   run CHAPTER PROGRAM [ARGUMENT ...]
echo                      compiles CHAPTER\PROGRAM.c, unless it runs already, and starts it
echo   check              lists the chapters and the exercises, and what is done of them
echo   check CHAPTER ...  runs the chapter's own checks
echo   check CHAPTER EXERCISE
echo                      runs the checks of an exercise; CHAPTER may be a copy under any name
echo   hint CHAPTER EXERCISE [NUMBER]
echo                      gives a hint; a higher number gives away more
echo   test               runs all checks, and makes every warning an error
echo   notes [21 ^| 21.3]  plays each statement of the lecture notes on real sockets
echo   bench              measures the servers beside each other; takes two or three minutes
echo   timeline           draws a run of each chapter into build\CHAPTER\timeline.svg
echo   clean              removes what was built
echo   help               prints this
echo   strict             makes every warning an error
echo   debug              compiles for the debugger, without optimisation
echo.
echo   CHAPTER is a folder or the beginning of its name; without one, all are meant:
for /d %%d in (ch*) do if exist "%%d\server.c" echo     %%d
echo   EXERCISE is one of these:
echo     %opt_exercises%
echo.
echo   Without cl, gcc or clang the first one that is found is used, in this order.
exit /b 0

rem ---- words ------------------------------------------------------------------------------------

:find_out_if_double_clicked
rem The Explorer starts a batch file with   cmd.exe /c ""C:\folder\build.bat" "   and the window
rem closes at the end, unread, unless we wait for a key.
set "opt_double_clicked="
if not "%~2"=="" exit /b 0
set "opt_self=%~1"
setlocal EnableDelayedExpansion
set "opt_line=!cmdcmdline:"=!"
set "opt_line=!opt_line:*/c =!"
set "opt_answer="
if /i "!opt_line!"=="!opt_self! " set "opt_answer=yes"
endlocal & set "opt_double_clicked=%opt_answer%"
exit /b 0

:find_exercise
rem Sets opt_known if opt_word is an exercise, or the number of a hint. A folder of the same name,
rem with a server.c, comes first.
if not defined opt_chapters if exist "%opt_word%\server.c" exit /b 0
if "%opt_verb%"=="hint" if defined opt_exercise for %%n in (1 2 3 4 5 6 7 8 9) do if "%opt_word%"=="%%n" set "opt_known=%%n"
if defined opt_known set "opt_rest=%opt_known%"
if defined opt_known exit /b 0
for %%e in (%opt_exercises%) do if /i "%opt_word%"=="%%e" set "opt_known=%%e"
if defined opt_known set "opt_exercise=%opt_known%"
exit /b 0

:find_chapter
rem opt_word is a folder with a server.c, or the beginning of its name. A folder from Tab
rem completion begins with .\ or ends with \.
set "opt_typed=%opt_word%"
if "%opt_word:~0,2%"==".\" set "opt_word=%opt_word:~2%"
if "%opt_word:~-1%"=="\" set "opt_word=%opt_word:~0,-1%"
if "%opt_word:~-1%"=="/" set "opt_word=%opt_word:~0,-1%"
set "opt_found="
set "opt_count=0"
if "%opt_word%"=="" goto unknown_word
if exist "%opt_word%\server.c" set "opt_found=%opt_word%"
if exist "%opt_word%\server.c" set "opt_count=1"
if "%opt_count%"=="1" goto one_chapter
rem Only these characters may stand unquoted below: any other leaves something over.
for /f "delims=0123456789_-abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ" %%r in ("%opt_word%") do goto unknown_word
for /d %%d in (%opt_word%*) do if exist "%%d\server.c" call :count_chapter "%%d"
if "%opt_count%"=="0" goto unknown_word
if not "%opt_count%"=="1" goto ambiguous_word
:one_chapter
set opt_chapters=%opt_chapters% "%opt_found%"
exit /b 0

:count_chapter
set "opt_found=%~1"
set /a opt_count+=1
exit /b 0

:unknown_word
echo build.bat: "%opt_typed%" is neither a verb nor a chapter. It knows:
echo.
call :verb_help
exit /b 2

:ambiguous_word
echo build.bat: "%opt_typed%" could be any of these:
for /d %%d in (%opt_word%*) do if exist "%%d\server.c" echo     %%d
exit /b 2

:add_folder
set opt_folders=%opt_folders% "build\%~1"
exit /b 0

:add_chapter
set opt_chapters=%opt_chapters% "%~1"
exit /b 0

rem ---- compilers --------------------------------------------------------------------------------

:choose_compiler
if defined opt_compiler goto compiler_is_named
call :try_cl
if not errorlevel 1 goto use_cl
gcc --version >nul 2>nul
if not errorlevel 1 goto use_gcc
clang --version >nul 2>nul
if not errorlevel 1 goto use_clang
echo build.bat: there is no C compiler. Install one of these:
echo   cl     Visual Studio with "Desktop development with C++", or its Build Tools
echo   gcc    MinGW-w64, for example from MSYS2 or w64devkit; its bin folder must be in PATH
echo   clang  LLVM for Windows, beside the Build Tools
exit /b 1

:compiler_is_named
if "%opt_compiler%"=="cl" goto cl_is_named
%opt_compiler% --version >nul 2>nul
if errorlevel 1 goto compiler_is_missing
goto use_%opt_compiler%

:cl_is_named
call :try_cl
if not errorlevel 1 goto use_cl
:compiler_is_missing
echo build.bat: %opt_compiler% was not found: it is not in PATH
exit /b 1

:try_cl
rem 9009 is what cmd says of a command that it does not find.
cl >nul 2>nul
if not errorlevel 9009 exit /b 0
set "opt_installer=%ProgramFiles(x86)%\Microsoft Visual Studio\Installer"
if not exist "%opt_installer%\vswhere.exe" exit /b 1
set "PATH=%PATH%;%opt_installer%"
set "opt_studio="
for /f "usebackq delims=" %%i in (`vswhere -latest -products * -requires Microsoft.VisualStudio.Component.VC.Tools.x86.x64 -property installationPath`) do set "opt_studio=%%i"
if not defined opt_studio exit /b 1
if not exist "%opt_studio%\VC\Auxiliary\Build\vcvars64.bat" exit /b 1
echo Visual Studio in %opt_studio%
call "%opt_studio%\VC\Auxiliary\Build\vcvars64.bat" >nul
cl >nul 2>nul
if errorlevel 9009 exit /b 1
exit /b 0

:use_cl
rem C4204 and C4221 speak of initialisers that C11 allows.
set "opt_compiler=cl"
set "opt_flags=/nologo /std:c11 /utf-8 /W4 /wd4204 /wd4221 /O2 /Z7"
if defined opt_debug set "opt_flags=%opt_flags:/O2=/Od%"
if defined opt_strict set "opt_flags=%opt_flags% /WX"
exit /b 0

:use_gcc
set "opt_compiler=gcc"
goto gcc_flags
:use_clang
set "opt_compiler=clang"
:gcc_flags
set "opt_flags=-std=c11 -Wall -Wextra -O2 -g"
if defined opt_debug set "opt_flags=%opt_flags:-O2=-O0%"
if defined opt_strict set "opt_flags=%opt_flags% -Werror"
exit /b 0

:build_chapters
if not defined opt_chapters for /d %%d in (ch*) do if exist "%%d\server.c" call :add_chapter "%%d"
for %%c in (%opt_chapters%) do if not defined opt_failed call :build_chapter "%%~c"
if defined opt_failed exit /b 1
exit /b 0

:build_chapter
call :list_programs "%~1"
for %%p in (%opt_programs%) do if not defined opt_failed call :compile "%~1" %%p
exit /b 0

:list_programs
set "opt_programs="
pushd "%~1"
for %%f in (*.c) do call :add_program %%~nf
popd
exit /b 0

:add_program
set "opt_programs=%opt_programs% %1"
exit /b 0

:compile
rem FOLDER PROGRAM [SOURCES]: compiles FOLDER\PROGRAM.c, the other SOURCES and common into
rem build\FOLDER\PROGRAM.exe. The command is printed, so that it can be typed by hand; quotes stand
rem only where a name needs them.
set "opt_output=build\%~1"
set "opt_source=%~1\%~2.c"
set "opt_exe=%opt_output%\%~2.exe"
set "opt_objects=%opt_output%\"
if not exist "%opt_output%\" mkdir "%opt_output%"
if not "%opt_source: =%"=="%opt_source%" (
    set opt_source="%opt_source%"
    set opt_exe="%opt_exe%"
    set opt_objects="%opt_objects%\"
)
set "opt_others=%~3"
if defined opt_others set "opt_others=%opt_others% "
for %%f in (common\*.c) do call :add_source "common\%%~nxf"
if "%opt_compiler%"=="cl" goto compile_with_cl
set opt_command=%opt_compiler% %opt_flags% %opt_source% %opt_others%-o %opt_exe% -lws2_32
goto compile_it
:compile_with_cl
set opt_command=cl %opt_flags% %opt_source% %opt_others%/Fe%opt_exe% /Fo%opt_objects%
:compile_it
echo %opt_command%
%opt_command%
if not errorlevel 1 exit /b 0
set "opt_failed=yes"
exit /b 1

:add_source
set "opt_others=%opt_others%%~1 "
exit /b 0
