@echo off
rem build.bat - compiles and runs everything. "build.bat help" explains; README.md shows it.
rem
rem Names of variables begin with opt_, so that no word on the command line can overwrite PATH. A name
rem that a user has chosen is kept in a variable and never passed to "call", which would change its
rem % and ^. "if errorlevel 1" does not see the status of a crash, which is negative: after a program
rem %errorlevel% is compared with 0. So that all of it also runs in Wine's cmd, "if" is used where &&
rem and || would be shorter, and opt_failed ends a "for", which exit does not.
setlocal EnableExtensions DisableDelayedExpansion

set "opt_compiler="
set "opt_verb="
set "opt_strict="
set "opt_debug="
set "opt_verify="
set "opt_output=build"
set "opt_chapters="
set "opt_program="
set "opt_rest="
set "opt_exercises="
set "opt_chosen="
set "opt_language="
set "opt_submissions="
set "opt_status=0"
set "opt_failed="
set "opt_version="
for %%r in (back common tests tools course) do set "opt_looked_%%r="
set "opt_step="
set "opt_step_folder="
rem For programs with the verifier: makes check.exe check with each of this many seeds.
set "opt_seeds="
rem The order of the lessons. Any other folder ch* with a server.c comes after them. A beginning that fits one
rem lesson means this lesson, even if it also fits other folders.
set "opt_lessons=ch21_event_select ch22_overlapped_event ch22_completion_routine ch23_iocp"
rem A name that consists of these characters needs no quotes.
set "opt_plain=0123456789_-.\abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

set "opt_self=%~f0"
set "opt_double_clicked="
set "opt_word=%~1"
if not defined opt_word call :find_out_if_double_clicked
cd /d "%~dp0"
if errorlevel 1 goto not_on_a_drive
if not exist common\common.h goto not_unpacked

:next_word
set "opt_word=%~1"
if not defined opt_word goto words_are_read
if defined opt_program goto next_argument
set "opt_word=%opt_word:"=%"
if not defined opt_word goto unknown
shift
if "%opt_verb%"=="run" if defined opt_chapters set "opt_program=%opt_word%"
if defined opt_program goto next_word
rem "call" reads on in this file until it finds the label, and then from the beginning: so what is done for every
rem word does without it, and what is shared is below what calls it.
rem In a "for", /? would be a pattern for names of files.
set "opt_known="
if "%opt_word%"=="/?" set "opt_word=help"
for %%w in (-h --help) do if /i "%opt_word%"=="%%w" set "opt_word=help"
for %%w in (cl gcc clang) do if /i "%opt_word%"=="%%w" set "opt_known=%%w"
if defined opt_known set "opt_compiler=%opt_known%"
if defined opt_known goto next_word
for %%w in (demo run step test check hint grade notes bench timeline replay clean help) do if /i "%opt_word%"=="%%w" set "opt_known=%%w"
if defined opt_known if defined opt_verb goto two_verbs
if defined opt_known set "opt_verb=%opt_known%"
if defined opt_known goto next_word
for %%w in (strict debug verify) do if /i "%opt_word%"=="%%w" set "opt_known=%%w"
if defined opt_known set "opt_%opt_known%=yes"
if defined opt_known goto next_word
if "%opt_verb%"=="step" if defined opt_step if defined opt_chapters set "opt_step_folder=%opt_word%"
if defined opt_step_folder goto next_word
if "%opt_verb%"=="step" if defined opt_chapters set "opt_step=%opt_word%"
if defined opt_step goto next_word
if "%opt_verb%"=="notes" set opt_rest=%opt_rest% "%opt_word%"
if "%opt_verb%"=="notes" goto next_word
if "%opt_verb%"=="grade" if not defined opt_submissions goto next_submissions
if "%opt_verb%"=="check" call :find_language
if "%opt_verb%"=="hint" call :find_language
if defined opt_known goto next_word
if "%opt_verb%"=="check" call :find_exercise
if "%opt_verb%"=="hint" call :find_exercise
if "%opt_verb%"=="grade" call :find_exercise
if defined opt_known goto next_word
call :find_chapter
if not errorlevel 1 goto next_word
set "opt_status=2"
goto finish

:unknown
set "opt_typed="
call :unknown_word
set "opt_status=2"
goto finish

:next_argument
rem What follows "run CHAPTER PROGRAM" belongs to the program, as it is. With /? "set" would print its help.
if "%opt_word%"=="/?" set "opt_rest=%opt_rest% /?"
if not "%opt_word%"=="/?" set opt_rest=%opt_rest% %1
shift
goto next_word

:next_submissions
set "opt_submissions=%opt_word%"
goto next_word

:not_verified
echo build.bat: verify cannot be combined with %opt_verb%, which measures, or does not compile a server
set "opt_status=2"
goto finish

:two_verbs
echo build.bat: %opt_verb% and %opt_known%: only one verb at a time
set "opt_status=2"
goto finish

:not_on_a_drive
echo build.bat: cmd cannot work in the folder "%~dp0": copy it to a local drive
set "opt_status=1"
goto finish

:not_unpacked
echo build.bat: the other files are missing from "%~dp0": unpack the whole ZIP first
set "opt_status=1"
goto finish

:words_are_read
if not defined opt_verb set "opt_verb=build"
rem Programs with the verifier have a separate folder, so that they are not mistaken for the others.
if defined opt_verify set "opt_output=build\verified"
if defined opt_verify set "opt_seeds= --verify 3"
set "opt_word=%opt_verb%"
if defined opt_verify call :is_one_of build demo run check grade test
if defined opt_verify if not defined opt_known goto not_verified
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
echo Built in the folder %opt_output%, with %opt_compiler%.
exit /b 0

:verb_demo
call :choose_compiler
if errorlevel 1 exit /b 1
call :build_chapters
if errorlevel 1 exit /b 1
call :make_tool tools demo process utf8
if errorlevel 1 exit /b 1
call :for_each_chapter demo_chapter
if defined opt_failed exit /b 1
exit /b 0

:demo_chapter
build\tools\demo.exe "%opt_output%\%opt_chapter%"
if not "%errorlevel%"=="0" set "opt_failed=yes"
exit /b 0

:verb_run
if not defined opt_program (
    echo build.bat: run needs a chapter and a program, for example: build.bat run ch21 server
    exit /b 2
)
call :for_each_chapter nothing
if not exist "%opt_chapter%\%opt_program%.c" goto unknown_program
rem It may have been changed, so it is compiled again. But a program that is already running, for example
rem a first client, cannot be deleted: it is started as it is.
if exist "%opt_output%\%opt_chapter%\%opt_program%.exe" del "%opt_output%\%opt_chapter%\%opt_program%.exe" >nul 2>nul
if exist "%opt_output%\%opt_chapter%\%opt_program%.exe" goto run_it
rem Standard output is the program's own.
call :choose_compiler 1>&2
if errorlevel 1 exit /b 1
call :compile_program 1>&2
if errorlevel 1 exit /b 1
:run_it
"%opt_output%\%opt_chapter%\%opt_program%.exe" %opt_rest%
exit /b %errorlevel%
:unknown_program
echo build.bat: "%opt_chapter%" has no program "%opt_program%". It has:
call :list_programs
for %%p in (%opt_programs%) do echo     %%p
exit /b 2

:verb_step
if not defined opt_chapters (
    echo build.bat: step needs a chapter, for example: build.bat step ch21, or build.bat step ch21 3
    exit /b 2
)
call :for_each_chapter nothing
if not defined opt_step_folder set "opt_step_folder=my_%opt_short%_%opt_step%"
rem Standard output is about the step alone.
call :make_steps 1>&2
if errorlevel 1 exit /b 1
if not defined opt_step build\tools\steps.exe list "%opt_chapter%"
if defined opt_step build\tools\steps.exe begin "%opt_chapter%" "%opt_step%" "%opt_step_folder%"
exit /b %errorlevel%

:make_steps
call :choose_compiler
if errorlevel 1 exit /b 1
call :make_tool tools steps utf8
exit /b %errorlevel%

:verb_test
set "opt_strict=yes"
set "opt_test_status=0"
rem The notes are about all the chapters.
if not defined opt_chapters if not defined opt_verify call :notes_in_test
call :check_chapters
if not "%errorlevel%"=="0" set "opt_test_status=1"
exit /b %opt_test_status%

:notes_in_test
call :verb_notes
if not "%errorlevel%"=="0" set "opt_test_status=1"
exit /b 0

:verb_notes
call :choose_compiler
if errorlevel 1 exit /b 1
set "opt_others=course\notes\notes_21.c course\notes\notes_22.c course\notes\notes_23.c "
call :forget_changes course
call :make_tool course\notes notes
if errorlevel 1 exit /b 1
build\course\notes\notes.exe %opt_rest%
exit /b %errorlevel%

:verb_check
if not defined opt_chapters goto list_exercises
if defined opt_chosen goto check_exercises
:check_chapters
call :choose_compiler
if errorlevel 1 exit /b 1
call :build_chapters
if errorlevel 1 exit /b 1
call :make_check
if errorlevel 1 exit /b 1
call :make_tool tools blocking_server
if errorlevel 1 exit /b 1
set "opt_folders="
call :for_each_chapter add_folder
build\tests\check.exe --compiler %opt_compiler%%opt_seeds% %opt_folders%
exit /b %errorlevel%

:add_folder
set opt_folders=%opt_folders% "%opt_output%\%opt_chapter%"
exit /b 0

:list_exercises
if defined opt_chosen goto exercise_of_what
call :choose_compiler
if errorlevel 1 exit /b 1
call :make_tool tools homework exercise_page utf8
if errorlevel 1 exit /b 1
build\tools\homework.exe list%opt_language%
exit /b %errorlevel%

:check_exercises
call :choose_compiler
if errorlevel 1 exit /b 1
call :make_check
if errorlevel 1 exit /b 1
set "opt_unmet="
call :for_each_chapter check_folder
if defined opt_failed exit /b 1
if defined opt_unmet exit /b 1
exit /b 0

:check_folder
rem The programs are compiled into a folder for this run alone: another check of the same chapter may be
rem running or compiling them now. The report goes where those of the chapter are.
call :take_number build\check
if errorlevel 1 exit /b 1
set "opt_slot=build\check_%opt_number%"
set "opt_program=server"
if not exist "%opt_output%\%opt_chapter%\" mkdir "%opt_output%\%opt_chapter%"
set opt_where=--report "%opt_output%\%opt_chapter%"
call :compile_into %opt_slot%
if not defined opt_failed if not defined opt_verify call :compile_verified
if not defined opt_failed for %%e in (%opt_chosen%) do call :check_exercise %%e
rmdir /s /q %opt_slot% 2>nul
if exist %opt_slot%\ rmdir /s /q %opt_slot% 2>nul
if defined opt_failed exit /b 1
exit /b 0

:compile_into
rem FOLDER: as compile_program, but into FOLDER\opt_chapter.
set "opt_was_output=%opt_output%"
set "opt_output=%1"
call :compile_program
set "opt_output=%opt_was_output%"
exit /b 0

:compile_verified
set "opt_verify=yes"
call :prepare_folder %opt_objects%_verify
call :compile_into %opt_slot%\verified
set "opt_verify="
set opt_where=%opt_where% --verified "%opt_slot%\verified\%opt_chapter%"
exit /b 0

:check_exercise
build\tests\check.exe --compiler %opt_compiler%%opt_seeds% --exercise %1 %opt_where% "%opt_slot%\%opt_chapter%"
if not "%errorlevel%"=="0" set "opt_unmet=yes"
exit /b 0

:exercise_of_what
echo build.bat:%opt_chosen% of which folder? For example: build.bat %opt_verb% my_server%opt_chosen%
exit /b 2

:verb_hint
if not defined opt_chosen goto hint_for_what
if not defined opt_chapters goto exercise_of_what
for /f "tokens=2" %%e in ("%opt_chosen%") do goto hint_for_what
if not defined opt_rest set "opt_rest=1"
call :for_each_chapter nothing
rem Standard output is the hint alone: other messages go to standard error.
call :make_homework 1>&2
if errorlevel 1 exit /b 1
build\tools\homework.exe hint %opt_chosen% %opt_rest% "%opt_chapter%"%opt_language%
exit /b %errorlevel%

:make_homework
call :forget_changes tools
if exist build\tools\homework.exe exit /b 0
call :choose_compiler
if errorlevel 1 exit /b 1
call :make_tool tools homework exercise_page utf8
exit /b %errorlevel%

:hint_for_what
call :name_exercises
echo build.bat: hint needs a folder and an exercise, for example: build.bat hint ch21 UPPER 1
echo The exercises are:%opt_exercises%
exit /b 2

:verb_grade
if not defined opt_submissions goto grade_what
if defined opt_chapters goto grade_what
if not exist "%opt_submissions%\" goto no_submissions
rem Three seeds of the verifier take three times as long.
if defined opt_verify if not defined opt_rest set "opt_rest=540"
if defined opt_rest set "opt_rest=--seconds %opt_rest%"
call :choose_compiler
if errorlevel 1 exit /b 1
call :make_check
if errorlevel 1 exit /b 1
call :make_tool tools grade exercise_page utf8
if errorlevel 1 exit /b 1
call :write_compile_file
if errorlevel 1 exit /b 1
rem A backslash before a quote would be taken as part of the name.
build\tools\grade.exe %opt_rest%%opt_seeds% %opt_compiler% %opt_output%\grade "%opt_submissions%\." %opt_chosen%
exit /b %errorlevel%

:write_compile_file
rem Writes what compiles build\grading\copy\server.c, to which grade.exe copies one submission after another.
for %%f in (%opt_output% build\grading build\grading\copy) do if not exist %%f\ mkdir %%f
call :choose_objects
call :need_objects
if errorlevel 1 exit /b 1
call :put_before_sources %opt_verifier%
rem It includes ../common/common.h, which the compiler also looks for next to a folder of -I.
set "opt_first=%opt_first% -Icommon"
set "opt_source=build\grading\copy\server.c"
set "opt_exe=build\grading\copy\server.exe"
set "opt_objects_of_exe=build\grading\copy\"
call :write_command
>build\grading\compile.bat echo @%opt_command%
exit /b 0

:grade_what
call :name_exercises
echo build.bat: grade needs the folder with the submissions, for example: build.bat grade C:\class UPPER
echo The exercises are:%opt_exercises%
exit /b 2

:no_submissions
echo build.bat: there is no folder "%opt_submissions%"
exit /b 2

:verb_bench
call :choose_compiler
if errorlevel 1 exit /b 1
call :build_chapters
if errorlevel 1 exit /b 1
call :make_tool tools blocking_server
if errorlevel 1 exit /b 1
call :make_tool tools bench process utf8
if errorlevel 1 exit /b 1
rem The load comes from chapter 23, which may not be among the chapters.
set "opt_chapter=ch23_iocp"
set "opt_program=load_client"
if not exist build\ch23_iocp\load_client.exe call :compile_program
if errorlevel 1 exit /b 1
set "opt_servers="
call :for_each_chapter add_servers
build\tools\bench.exe build\bench.csv build\ch23_iocp\load_client.exe build\tools\blocking_server.exe %opt_servers%
exit /b %errorlevel%

:add_servers
if exist "build\%opt_chapter%\select_server.exe" set opt_servers=%opt_servers% "build\%opt_chapter%\select_server.exe"
set opt_servers=%opt_servers% "build\%opt_chapter%\server.exe"
exit /b 0

:verb_timeline
call :choose_compiler
if errorlevel 1 exit /b 1
call :build_chapters
if errorlevel 1 exit /b 1
call :make_tool tools timeline operations log utf8
if errorlevel 1 exit /b 1
call :make_tool tools scenario process utf8
if errorlevel 1 exit /b 1
call :for_each_chapter draw_chapter
if defined opt_failed exit /b 1
exit /b 0

:draw_chapter
build\tools\scenario.exe "build\%opt_chapter%"
if not "%errorlevel%"=="0" set "opt_failed=yes"
if defined opt_failed exit /b 1
build\tools\timeline.exe --connected "build\%opt_chapter%\server.log" "build\%opt_chapter%\client_a.log" "build\%opt_chapter%\client_b.log" >"build\%opt_chapter%\timeline.svg"
if not "%errorlevel%"=="0" set "opt_failed=yes"
if defined opt_failed exit /b 1
echo "build\%opt_chapter%\timeline.svg": open it in a browser, for example with: start "" "build\%opt_chapter%\timeline.svg"
exit /b 0

:verb_replay
call :choose_compiler
if errorlevel 1 exit /b 1
call :build_chapters
if errorlevel 1 exit /b 1
call :make_tool tools scenario process utf8
if errorlevel 1 exit /b 1
call :make_tool tools replay operations log utf8
if errorlevel 1 exit /b 1
call :for_each_chapter replay_chapter
if defined opt_failed exit /b 1
exit /b 0

:replay_chapter
rem The page has the text of the lesson; a copy of a chapter, or the server of a step, is recognised by its
rem first comment. A folder without client.c is run with the client of that lesson.
set "opt_lesson="
set "opt_option="
build\tools\replay.exe --find-chapter "%opt_chapter%" >"build\%opt_chapter%\lesson.txt"
set /p opt_lesson=<"build\%opt_chapter%\lesson.txt"
if defined opt_lesson set opt_option= --chapter "%opt_lesson%"
if not defined opt_lesson set "opt_lesson=ch21_event_select"
set "opt_client=%opt_chapter%"
if not exist "%opt_chapter%\client.c" set "opt_client=%opt_lesson%"
if not exist "build\%opt_client%\client.exe" call :compile_client
if defined opt_failed exit /b 1
rem An unfinished server may do less than the scenario expects: the page then shows what there is.
build\tools\scenario.exe "build\%opt_chapter%" "build\%opt_client%"
if not "%errorlevel%"=="0" set "opt_option= --cut%opt_option%"
set "opt_logs="
for %%l in (server client_a client_b) do if exist "build\%opt_chapter%\%%l.log" call :add_log %%l
build\tools\replay.exe%opt_option% "%opt_chapter%"%opt_logs% >"build\%opt_chapter%\replay.html"
if not "%errorlevel%"=="0" set "opt_failed=yes"
if defined opt_failed exit /b 1
echo "build\%opt_chapter%\replay.html": open it in a browser, for example with: start "" "build\%opt_chapter%\replay.html"
exit /b 0

:compile_client
set "opt_kept_chapter=%opt_chapter%"
set "opt_chapter=%opt_client%"
set "opt_program=client"
call :compile_program
set "opt_chapter=%opt_kept_chapter%"
exit /b 0

:add_log
set opt_logs=%opt_logs% "build\%opt_chapter%\%1.log"
exit /b 0

:verb_clean
for /d %%h in (build\*) do (
    set "opt_name=%%~nxh"
    call :remove_folder
)
if defined opt_failed exit /b 1
for %%f in (bench grade) do if exist build\%%f.csv del build\%%f.csv
if not exist build\linux if exist build rmdir build
exit /b 0

:remove_folder
rem build\linux belongs to build.sh, which may be running this.
if /i "%opt_name%"=="linux" exit /b 0
rmdir /s /q "build\%opt_name%"
if not exist "build\%opt_name%\" exit /b 0
echo build.bat: "build\%opt_name%" could not be removed: is a program in it still running?
set "opt_failed=yes"
exit /b 0

:verb_help
echo build.bat [cl^|gcc^|clang] [VERB] [CHAPTER ...]
echo.
echo   without a verb     compiles the chapters into the folder build
echo   demo               runs a server and a client of each chapter, and shows what both of them do
echo   run CHAPTER PROGRAM [ARGUMENT ...]
echo                      compiles CHAPTER\PROGRAM.c, unless it is already running, and starts it
echo   step CHAPTER       lists the steps in which its server grows
echo   step CHAPTER NUMBER [FOLDER]
echo                      writes the server of a step to FOLDER\server.c, and shows what is new
echo   check [ko^|en]      lists the chapters and the exercises, and your progress on each
echo   check CHAPTER ...  runs the chapter's own checks
echo   check CHAPTER EXERCISE
echo                      runs the checks of an exercise; CHAPTER may be a copy under any name
echo   hint CHAPTER EXERCISE [NUMBER] [ko^|en]
echo                      gives a hint; a higher number gives away more
echo   grade FOLDER [EXERCISE ...] [SECONDS]
echo                      checks the submissions of a class, each a folder in FOLDER, for at most
echo                      SECONDS seconds each, and writes build\grade.csv: see course\README.md
echo   test               runs all checks, and makes every warning an error
echo   notes [21 ^| 21.3]  tries each statement of the lecture notes on real sockets
echo   bench              measures the servers side by side; takes two or three minutes
echo   timeline           draws a run of each chapter into build\CHAPTER\timeline.svg
echo   replay             runs each chapter; build\CHAPTER\replay.html shows the run next to its source
echo   clean              removes what was built, and the reports of the checks
echo   help               prints this
echo   strict             makes every warning an error
echo   debug              compiles for the debugger, without optimisation
echo   verify             runs, or checks, with a Winsock that is as strict as its documentation,
echo                      and as unkind as Windows may be: see course\rules.md
echo.
echo   CHAPTER is a folder with a server.c, or the beginning of its name; without one, these:
set "opt_chapters="
call :add_all_chapters
call :name_exercises
for %%c in (%opt_chapters%) do echo     %%~c
echo   EXERCISE is one of these:
echo    %opt_exercises%
echo.
echo   If no compiler is named, the first that is found is used: cl, gcc, clang.
exit /b 0

rem ---- words ------------------------------------------------------------------------------------

:find_out_if_double_clicked
rem Explorer starts a batch file with   cmd.exe /c ""C:\folder\build.bat" "   and the window
rem closes at the end, unread, unless we wait for a key.
setlocal EnableDelayedExpansion
set "opt_line=!cmdcmdline:"=!"
set "opt_line=!opt_line:*/c =!"
set "opt_answer="
if /i "!opt_line!"=="!opt_self! " set "opt_answer=yes"
endlocal & set "opt_double_clicked=%opt_answer%"
exit /b 0

:find_language
rem Sets opt_known if opt_word is one. A folder of the same name, with a server.c, comes first.
call :is_one_of ko en
if not defined opt_chapters if exist "%opt_word%\server.c" set "opt_known="
if defined opt_known set "opt_language= %opt_known%"
exit /b 0

:find_exercise
rem Sets opt_known if opt_word is an exercise, or the number of a hint or of seconds. A folder of the same
rem name, with a server.c, comes first.
if "%opt_verb%"=="grade" goto hint_number
if not defined opt_chapters if exist "%opt_word%\server.c" exit /b 0
if "%opt_verb%"=="hint" if defined opt_chosen goto hint_number
:find_name
set "opt_known="
for /d %%h in (course\homework\*) do if /i "%opt_word%"=="%%~nxh" if exist %%h\%%~nxh.c set "opt_known=%%~nxh"
if defined opt_known set "opt_chosen=%opt_chosen% %opt_known%"
exit /b 0

:hint_number
for /f "delims=0123456789" %%r in ("%opt_word%") do goto find_name
set "opt_known=%opt_word%"
set "opt_rest=%opt_word%"
exit /b 0

:find_chapter
rem opt_word is a folder with a server.c, or the beginning of its name. A folder from Tab
rem completion begins with .\ or ends with \.
set "opt_typed=%opt_word%"
set "opt_found="
set "opt_count=0"
set "opt_lesson_count=0"
if "%opt_word:~0,2%"==".\" set "opt_word=%opt_word:~2%"
:without_last_slash
if not defined opt_word goto unknown_word
set "opt_last=%opt_word:~-1%"
if "%opt_last%"=="/" set "opt_last=\"
if "%opt_last%"=="\" set "opt_word=%opt_word:~0,-1%"
if "%opt_last%"=="\" goto without_last_slash
if exist "%opt_word%\server.c" set "opt_found=%opt_word%"
if defined opt_found goto one_chapter
rem Only these characters may be used without quotes below: any other leaves a rest.
for /f "delims=%opt_plain%" %%r in ("%opt_word%") do goto unknown_word
for /d %%h in (%opt_word%*) do (
    set "opt_name=%%h"
    call :count_chapter
)
if "%opt_count%"=="0" goto unknown_word
if "%opt_lesson_count%"=="1" set "opt_found=%opt_found_lesson%"
if "%opt_lesson_count%"=="1" goto one_chapter
if not "%opt_count%"=="1" goto ambiguous_word
:one_chapter
rem What is built from it must not leave the folder build, and it includes ../common/common.h.
if not "%opt_found::=%"=="%opt_found%" goto chapter_elsewhere
if not "%opt_found:\=%"=="%opt_found%" goto chapter_elsewhere
if not "%opt_found:/=%"=="%opt_found%" goto chapter_elsewhere
set opt_chapters=%opt_chapters% "%opt_found%"
set "opt_short=%opt_word%"
exit /b 0

:count_chapter
if not exist "%opt_name%\server.c" exit /b 0
set "opt_found=%opt_name%"
set /a opt_count+=1
for %%l in (%opt_lessons%) do if /i "%opt_name%"=="%%l" set "opt_found_lesson=%%l"
for %%l in (%opt_lessons%) do if /i "%opt_name%"=="%%l" set /a opt_lesson_count+=1
exit /b 0

:chapter_elsewhere
echo build.bat: "%opt_typed%": a chapter is a folder next to common
exit /b 2

:unknown_word
call :verb_help
echo.
echo build.bat: "%opt_typed%" is neither a verb nor a chapter nor an exercise: see above
exit /b 2

:ambiguous_word
echo build.bat: "%opt_typed%" could be any of these:
for /d %%h in (%opt_word%*) do if exist "%%h\server.c" echo     %%h
exit /b 2

:build_chapters
if not defined opt_chapters call :add_all_chapters
call :for_each_chapter build_chapter
if defined opt_failed exit /b 1
exit /b 0

:add_all_chapters
for %%h in (%opt_lessons%) do if exist "%%h\server.c" call :add_chapter %%h
for /d %%h in (ch*) do (
    set "opt_word=%%h"
    call :add_other_chapter
)
exit /b 0

:add_chapter
set opt_chapters=%opt_chapters% "%~1"
exit /b 0

:add_other_chapter
call :is_one_of %opt_lessons%
if defined opt_known exit /b 0
if exist "%opt_word%\server.c" set opt_chapters=%opt_chapters% "%opt_word%"
exit /b 0

:is_one_of
rem WORD ...: sets opt_known to the word that equals opt_word, in small or capital letters; else to nothing.
set "opt_known="
for %%w in (%*) do if /i "%opt_word%"=="%%w" set "opt_known=%%w"
exit /b 0

:for_each_chapter
rem LABEL: calls it for each chapter, with its name in opt_chapter, until one has failed. The quotes are
rem removed in a separate line, because Wine's cmd adds a letter in %%~c if the last one is Korean.
for %%c in (%opt_chapters%) do (
    set opt_chapter=%%c
    call :with_chapter %1
)
:nothing
exit /b 0

:with_chapter
if defined opt_failed exit /b 0
set "opt_chapter=%opt_chapter:"=%"
call :%1
exit /b 0

rem ---- compilers --------------------------------------------------------------------------------

:choose_compiler
if defined opt_version exit /b 0
call :choose_one_of_all
rmdir /s /q %opt_answers% 2>nul
if defined opt_version exit /b 0
exit /b 1

:choose_one_of_all
rem The answers of the compilers go into a separate folder: another build may ask them at the same time, and
rem only one of two can make a folder. (Both may have the same random number.)
if not exist build\ mkdir build
call :take_number build\answers
if errorlevel 1 exit /b 1
set "opt_answers=build\answers_%opt_number%"
set "opt_answer=%opt_answers%\answer.txt"
if defined opt_compiler goto compiler_is_named
call :try_cl
if not errorlevel 1 goto use_cl
call :try_gcc gcc
if not errorlevel 1 goto use_gcc
call :try_gcc clang
if not errorlevel 1 goto use_gcc
echo build.bat: there is no C compiler. Install one of these:
echo   cl     Visual Studio 2019 16.8 or newer with "Desktop development with C++", or its Build Tools
echo   gcc    MinGW-w64, for example from MSYS2 or w64devkit; its bin folder must be in PATH
echo   clang  LLVM for Windows, in addition to the Build Tools
exit /b 1

:compiler_is_named
if "%opt_compiler%"=="cl" goto cl_is_named
call :try_gcc %opt_compiler%
if not errorlevel 1 goto use_gcc
:compiler_is_missing
echo build.bat: no %opt_compiler% that can be used was found in PATH
exit /b 1

:cl_is_named
call :try_cl
if errorlevel 1 goto compiler_is_missing
goto use_cl

:try_cl
cl >nul 2>nul
if not "%errorlevel%"=="0" goto find_visual_studio
if not defined INCLUDE goto cl_without_include
if defined VCToolsVersion if "%VCToolsVersion:~0,5%" lss "14.28" goto cl_is_old
if not defined VCToolsVersion if defined VisualStudioVersion goto cl_is_old
exit /b 0

:cl_without_include
echo build.bat: the cl in PATH is skipped: INCLUDE is not set; a Developer Command Prompt sets it
goto find_visual_studio
:cl_is_old
echo build.bat: the cl in PATH is skipped: it is older than that of Visual Studio 2019 16.8
:find_visual_studio
set "opt_installer=%ProgramFiles(x86)%\Microsoft Visual Studio\Installer"
if not exist "%opt_installer%\vswhere.exe" exit /b 1
set "PATH=%PATH:"=%;%opt_installer%"
set "opt_studio="
for /f "usebackq delims=" %%i in (`vswhere -latest -version 16.8 -products * -requires Microsoft.VisualStudio.Component.VC.Tools.x86.x64 -property installationPath`) do set "opt_studio=%%i"
if not defined opt_studio exit /b 1
if not exist "%opt_studio%\VC\Auxiliary\Build\vcvars64.bat" exit /b 1
echo Visual Studio in %opt_studio%
rem Without these two it would leave this folder for one that the user has set, and start a
rem PowerShell that keeps this folder in use for a while.
set "VSCMD_START_DIR="
set "VSCMD_SKIP_SENDTELEMETRY=1"
call "%opt_studio%\VC\Auxiliary\Build\vcvars64.bat" >nul
cl >nul 2>nul
if not "%errorlevel%"=="0" exit /b 1
exit /b 0

:use_cl
rem C4204 and C4221 are about initialisers that C11 allows.
set "opt_compiler=cl"
set "opt_flags=/nologo /std:c11 /utf-8 /W4 /wd4204 /wd4221 /O2 /Z7"
if defined opt_debug set "opt_flags=%opt_flags:/O2=/Od%"
if defined opt_strict set "opt_flags=%opt_flags% /WX"
set "opt_version=cl %VCToolsVersion% %VSCMD_ARG_TGT_ARCH%"
goto prepare_objects

:try_gcc
rem NAME: gcc or clang. Both print their target; that of MinGW.org, Cygwin and MSYS lacks what we need.
set "opt_name=%1"
set "opt_target="
set "opt_version="
%1 -dumpmachine >%opt_answer% 2>nul
if "%errorlevel%"=="0" set /p opt_target=<%opt_answer%
if defined opt_target %1 -dumpversion >%opt_answer% 2>nul
if defined opt_target set /p opt_version=<%opt_answer%
if not defined opt_version exit /b 1
set "opt_version=%1 %opt_version% for %opt_target%"
if not "%opt_name%"=="gcc" exit /b 0
if not "%opt_target:w64-mingw32=%"=="%opt_target%" exit /b 0
if not "%opt_target:w64-windows-gnu=%"=="%opt_target%" exit /b 0
echo build.bat: the gcc in PATH is skipped: it is not MinGW-w64, but compiles for %opt_target%
set "opt_version="
exit /b 1

:use_gcc
set "opt_compiler=%opt_name%"
set "opt_flags=-std=c11 -Wall -Wextra -O2 -g"
if defined opt_debug set "opt_flags=%opt_flags:-O2=-O0%"
if defined opt_strict set "opt_flags=%opt_flags% -Werror"

:prepare_objects
rem What several programs share is compiled once, and its objects are kept; each compiler and each set
rem of flags has a folder for them. A different version of the compiler starts again from nothing.
set "opt_objects=build\%opt_compiler%"
if defined opt_debug set "opt_objects=%opt_objects%_debug"
if defined opt_strict set "opt_objects=%opt_objects%_strict"
set "opt_object=o"
if "%opt_compiler%"=="cl" set "opt_object=obj"
set "opt_made_by=%opt_version% %opt_flags%"
call :forget_changes common
call :prepare_folder %opt_objects%
if not defined opt_verify exit /b 0
call :forget_changes tests
call :prepare_folder %opt_objects%_verify
exit /b 0

:prepare_folder
set "opt_was="
if exist %1\version.txt set /p opt_was=<%1\version.txt
if "%opt_was%"=="%opt_made_by%" exit /b 0
if exist %1\ rmdir /s /q %1
mkdir %1
>%1\version.txt echo %opt_made_by%
exit /b 0

:build_chapter
call :list_programs
for %%p in (%opt_programs%) do if not defined opt_failed call :compile_one %%p
exit /b 0

:compile_one
set "opt_program=%1"
call :compile_program
exit /b 0

:list_programs
rem Sets opt_programs to those of opt_chapter.
set "opt_programs="
pushd "%opt_chapter%"
if errorlevel 1 set "opt_failed=yes"
if errorlevel 1 exit /b 1
for %%f in (*.c) do call :add_program "%%f"
popd
exit /b 0

:add_program
set "opt_odd="
for /f "delims=%opt_plain%" %%r in ("%~1") do set "opt_odd=yes"
if defined opt_odd echo build.bat: "%~1" in "%opt_chapter%" is skipped: its name has other characters than letters, digits, _ - and . 1>&2
if defined opt_odd exit /b 0
rem These two are programs by their names; another source may be a part of one.
for %%w in (server.c client.c) do if /i "%~1"=="%%w" goto is_program
%SystemRoot%\System32\find.exe "main(" "%~1" >nul
if errorlevel 1 %SystemRoot%\System32\find.exe "main (" "%~1" >nul
if errorlevel 1 echo build.bat: "%~1" in "%opt_chapter%" is skipped: it has no main 1>&2
if errorlevel 1 exit /b 0
:is_program
set "opt_programs=%opt_programs% %~n1"
exit /b 0

:compile_program
rem Compiles opt_chapter\opt_program.c into opt_output\opt_chapter\opt_program.exe.
set "opt_folder=%opt_chapter%"
set "opt_to=%opt_output%"
call :choose_objects
goto compile

:choose_objects
rem Chooses what a program of a chapter is linked with.
set "opt_others="
set "opt_shared="
set "opt_kept=%opt_objects%"
set "opt_verifier="
if defined opt_verify set "opt_kept=%opt_objects%_verify"
if defined opt_verify set "opt_verifier=tests\verifier\verifier.h"
exit /b 0

:make_check
rem check.exe has the checks of all exercises: their list is written first.
call :forget_changes tests tools course
if not exist build\tests\ mkdir build\tests
call :name_exercises
set "opt_was="
if exist build\tests\exercises.txt set /p opt_was=<build\tests\exercises.txt
if not " %opt_was%"=="%opt_exercises%" call :write_list
set "opt_others="
for %%f in (tests\*.c) do if /i not "%%~nf"=="check" call :add_other tests\%%~nf.c
for %%e in (%opt_exercises%) do call :add_checks %%e
call :make_tool tests check process exercise_page utf8
exit /b %errorlevel%

:write_list
if exist build\tests\check.txt del build\tests\check.txt
type nul >build\tests\exercises.h
for %%e in (%opt_exercises%) do echo EXERCISE(%%e)>>build\tests\exercises.h
>build\tests\exercises.txt echo%opt_exercises%
exit /b 0

:add_checks
rem EXERCISE: all sources of its folder.
for %%f in (course\homework\%1\*.c) do call :add_other course\homework\%1\%%~nxf
exit /b 0

:name_exercises
rem Sets opt_exercises to the names of all of them.
set "opt_exercises="
for /d %%h in (course\homework\*) do if exist %%h\%%~nxh.c call :add_exercise %%~nxh
exit /b 0

:add_exercise
set "opt_exercises=%opt_exercises% %1"
exit /b 0

:add_other
set "opt_others=%opt_others%%1 "
exit /b 0

:make_tool
rem FOLDER PROGRAM [SHARED ...]: compiles one of our own programs from FOLDER\PROGRAM.c, opt_others and
rem the shared sources of tools, unless it has already been made from these with this compiler.
if "%1"=="tools" call :forget_changes tools
set "opt_folder=%1"
set "opt_program=%2"
set "opt_shared=%3 %4 %5"
set "opt_made=build\%1\%2.txt"
set "opt_was="
if exist build\%1\%2.exe if exist %opt_made% set /p opt_was=<%opt_made%
if not "%opt_was%"=="%opt_made_by%" goto make_it
set "opt_others="
exit /b 0
:make_it
set "opt_to=build"
set "opt_kept=%opt_objects%"
set "opt_verifier="
call :compile
if errorlevel 1 exit /b 1
>%opt_made% echo %opt_made_by%
exit /b 0

:compile
rem Compiles opt_folder\opt_program.c and opt_others, and links them with common and the shared sources of tools.
rem Each command is printed, so that it can be typed by hand; quotes are used only where a name
rem needs them.
call :need_objects
if errorlevel 1 exit /b 1
if not exist "%opt_to%\%opt_folder%\" mkdir "%opt_to%\%opt_folder%"
set "opt_source=%opt_folder%\%opt_program%.c"
set "opt_exe=%opt_to%\%opt_folder%\%opt_program%.exe"
set "opt_objects_of_exe=%opt_to%\%opt_folder%\"
call :put_before_sources %opt_verifier%
set "opt_odd="
for /f "delims=%opt_plain%" %%r in ("%opt_folder%%opt_program%") do set "opt_odd=yes"
if defined opt_odd set opt_source="%opt_source%"
if defined opt_odd set opt_exe="%opt_exe%"
rem A backslash before a quote would be taken as part of the name.
if defined opt_odd set opt_objects_of_exe="%opt_objects_of_exe%\"
call :write_command
set "opt_others="
echo %opt_command%
%opt_command%
if "%errorlevel%"=="0" exit /b 0
:failed
set "opt_failed=yes"
exit /b 1

:write_command
rem Sets opt_command to what compiles and links.
if "%opt_compiler%"=="cl" goto command_of_cl
set opt_command=%opt_compiler% %opt_flags%%opt_first% %opt_source% %opt_others%%opt_with%-o %opt_exe% -lws2_32
exit /b 0
:command_of_cl
set opt_command=cl %opt_flags%%opt_first% %opt_source% %opt_others%%opt_with%/Fe%opt_exe% /Fo%opt_objects_of_exe% /link /INCREMENTAL:NO
exit /b 0

:need_objects
rem Sets opt_with to the objects of common, opt_shared and opt_verifier, and compiles those that are missing.
set "opt_with="
set "opt_missing="
set "opt_sources="
for %%f in (common\*.c) do call :need_common %%~nf
if defined opt_missing call :compile_objects common
for %%s in (%opt_shared%) do call :need_shared %%s
if defined opt_verifier call :need_verifier
if defined opt_failed exit /b 1
exit /b 0

:need_common
rem Not every gcc expands a wildcard, so all names are written out.
set "opt_with=%opt_with%%opt_kept%\common\%1.%opt_object% "
set "opt_sources=%opt_sources% ..\..\..\common\%1.c"
if not exist %opt_kept%\common\%1.%opt_object% set "opt_missing=yes"
exit /b 0

:need_shared
set "opt_with=%opt_with%%opt_kept%\tools\%1.%opt_object% "
set "opt_sources= ..\..\..\tools\%1.c"
if not exist %opt_kept%\tools\%1.%opt_object% if not defined opt_failed call :compile_objects tools
exit /b 0

:need_verifier
set "opt_with=%opt_with%%opt_kept%\verifier\verifier.%opt_object% "
set "opt_sources= ..\..\..\tests\verifier\verifier.c"
if not exist %opt_kept%\verifier\verifier.%opt_object% if not defined opt_failed call :compile_objects verifier
exit /b 0

:put_before_sources
rem [HEADER]: sets opt_first to the option that puts it before each source.
set "opt_first="
if not "%1"=="" set "opt_first= -include %1"
if not "%1"=="" if "%opt_compiler%"=="cl" set "opt_first= /FI%1"
exit /b 0

:compile_objects
rem FOLDER: a compiler leaves the objects of opt_sources in the current folder.
call :put_before_sources
if defined opt_verifier call :put_before_sources ..\..\..\%opt_verifier%
set "opt_command=%opt_compiler% %opt_flags%%opt_first% -c%opt_sources%"
if "%opt_compiler%"=="cl" set "opt_command=cl %opt_flags%%opt_first% /c%opt_sources%"
if not exist %opt_kept%\%1\ mkdir %opt_kept%\%1
echo cd %opt_kept%\%1
echo %opt_command%
echo cd ..\..\..
pushd %opt_kept%\%1
%opt_command%
set "opt_result=%errorlevel%"
popd
if not "%opt_result%"=="0" set "opt_failed=yes"
exit /b 0

rem ---- what changed, and folders of one run -------------------------------------------------------

:forget_changes
rem FOLDER ...: looks once at each of them. What was made from its sources is made again if one has changed.
rem xcopy /d copies those that are newer than their copies in build\kept; with /l it only prints which. The other
rem way round it prints those that have been replaced by older ones, or removed: then everything is made again.
if not exist build\ mkdir build
call :take_number build\changes
if errorlevel 1 exit /b 1
set "opt_changes=build\changes_%opt_number%"
if not defined opt_looked_back if exist build\kept\ call :look_back
set "opt_looked_back=yes"
for %%r in (%*) do if not defined opt_looked_%%r call :forget_if_changed %%r
rmdir /s /q %opt_changes%
exit /b 0

:look_back
set "opt_older="
xcopy /d /l /s /y /i build\kept\*.? .\ >%opt_changes%\list.txt
for /f "usebackq delims=" %%f in ("%opt_changes%\list.txt") do if exist "%%f" set "opt_older=yes"
if defined opt_older rmdir /s /q build\kept
exit /b 0

:forget_if_changed
set "opt_looked_%1=yes"
set "opt_changed="
xcopy /d /l /s /y /i %1\*.? build\kept\%1\ >%opt_changes%\list.txt
for /f "usebackq delims=" %%f in ("%opt_changes%\list.txt") do if exist "%%f" set "opt_changed=yes"
if not defined opt_changed exit /b 0
if "%1"=="common" for /d %%h in (build\*) do if exist %%h\version.txt rmdir /s /q %%h
if "%1"=="tests" for /d %%h in (build\*_verify) do rmdir /s /q %%h
if "%1"=="tools" for /d %%h in (build\*) do if exist %%h\version.txt if exist %%h\tools\ rmdir /s /q %%h\tools
rem One that is running cannot be deleted; without its note in a .txt it is not taken for a new one.
for %%f in (build\tests\* build\tools\* build\course\notes\*) do del "%%f" >nul 2>nul
if exist build\kept\%1\ rmdir /s /q build\kept\%1
xcopy /d /s /y /i %1\*.? build\kept\%1\ >nul
exit /b 0

:take_number
rem NAME: makes the folder NAME_1, or the next one that no other run has made; sets opt_number.
set "opt_number=0"
:next_number
set /a opt_number+=1
if %opt_number% gtr 50 goto no_number
rem In Wine's cmd a successful mkdir leaves errorlevel as it was.
call :number_is_free
mkdir %1_%opt_number% >nul 2>nul
if errorlevel 1 goto next_number
:number_is_free
exit /b 0
:no_number
echo build.bat: there are 50 folders %1_1, %1_2, ... of other runs. If none of them is running: build.bat clean
exit /b 1
