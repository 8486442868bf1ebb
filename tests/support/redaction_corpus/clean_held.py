"""Held-out clean lines of a device farm: nothing in them is personal or secret."""

from __future__ import annotations

FRAMES: tuple[str, ...] = (
    (
        "<md> <clock>  <pid>  <pid> I ActivityTaskManager: START u0 {act=android.intent.action.MAIN"
        " cmp=<pkg>/.MainActivity} from uid <pid>"
    ),
    (
        "<md> <clock>  <pid>  <pid> D WindowManager: Changing focus from Window{<hex7> u0 StatusBar} to"
        " Window{<hex7> u0 <pkg>/.LoginActivity}"
    ),
    "<md> <clock>  <pid>  <pid> V InputDispatcher: dispatching motion, eventTime=<ns>, action=DOWN, x=<n>.0, y=<n>.0",
    (
        "<md> <clock> <pidw> <pidw> W Choreographer: Skipped <n> frames! The application may be doing too"
        " much work on its main thread."
    ),
    "<md> <clock>  <pid>  <pid> E <cls>: token android.os.BinderProxy@<hex7> is not valid; is your activity running?",
    "<md> <clock>  <pid>  <pid> I BatteryStats: level=<pct> temp=<n> volt=<ms> status=2 plugged=<bool>",
    "<md> <clock>  <pid>  <pid> D TelephonyManager: getSubId phoneId=0 slotIndex=1 callState=<n>",
    "<md> <clock>  <pid>  <pid> I PhoneInterfaceManager: [PhoneIntfMgr] getNetworkCountryIso ms=<ms> subId=<n>",
    (
        "<md> <clock>  <pid>  <pid> D KeyguardUpdateMonitor: handleKeyguardReset secureKeyguard=<bool>"
        " passwordAttempts=<n>"
    ),
    "<md> <clock>  <pid>  <pid> V SettingsProvider: lock_screen_secret_mode changed to <n> at <epoch_ms>",
    "<md> <clock>  <pid>  <pid> D CredentialManagerService: requestId=<hex8> providers=<n> passwordOnly=<bool>",
    "<md> <clock>  <pid>  <pid> I SurfaceFlinger: vsync timestamp <ns> period 16666666 layer <hex8>",
    (
        "<md> <clock>  <pid>  <pid> D PackageManager: verification code path"
        " /data/app/~~<hex16>==/<pkg>-<hex12>==/base.apk"
    ),
    '<md> <clock>  <pid>  <pid> W libc    : Access denied finding property "ro.vendor.build.version.<n>"',
    "<md> <clock>  <pid>  <pid> I chatty  : uid=<pid>(u0_a<n>) <pkg> identical <n> lines",
    "<md> <clock>  <pid>  <pid> D vendor.qti.hardware.display@1.0-service: composition <n> ms",
    (
        '<md> <clock>  <pid>  <pid> I chromium: [INFO:CONSOLE(<n>)] "page loaded in <float> ms", source:'
        " file:///android_asset/index.html (<n>)"
    ),
    "<md> <clock>  <pid>  <pid> D AlarmManager: Alarm{<hex7> type 2 when <epoch_ms> whenElapsed <ns> <pkg>}",
    "[Appium] Welcome to Appium v<v3> (REV <hex40>)",
    (
        "[<hex8>][AndroidUiautomator2Driver@<hex6>] Executing command 'findElement' with params:"
        ' ["id","<pkg>:id/<name>"]'
    ),
    '[HTTP] --> POST /session/<uuid>/element {"using":"id","value":"<pkg>:id/password"}',
    "[HTTP] <-- POST /session/<uuid>/element 200 <ms> ms - <n>",
    "[ADB] Running '/opt/sdk/platform-tools/adb -P 5037 -s emulator-<pid> shell dumpsys window displays'",
    "[BaseDriver] Session created with session id: <uuid>",
    '[WD Proxy] Got response with status 200: {"value":{"ELEMENT":"00000000-0000-<hex7>","count":<n>}}',
    "[XCUITestDriver@<hex6>] Using WDA path: '/opt/ci/wda/build-<hex8>/WebDriverAgent.xcodeproj', port <pid>",
    "[Instrumentation] INSTRUMENTATION_STATUS: numtests=<n> current=<n> test=<test>",
    "[debug] [Logcat] Starting logs capture with command: adb logcat -v threadtime, buffer <big>",
    "tests/mobile/test_login.py::<test>[pixel-<n>] PASSED                                   [ <pct>%]",
    "FAILED tests/test_auth.py::TestToken::<test> - AssertionError: assert 'ready' == 'pending'",
    "============ <n> passed, <n> failed, <n> skipped, <n> warnings in <float>s (0:0<n>:12) ============",
    "platform linux -- Python <v3>, pytest-<v3>, pluggy-<v3> -- /usr/bin/python3",
    "plugins: xdist-<v3>, autorl-<v3>, allure-pytest-<v3>, timeout-<v3>",
    '>       assert page.password_field.is_displayed(), "password field is hidden"',
    "E       assert <n> == <n>",
    "[gw<n>] linux -- Python <v3> [PASSED] tests/test_cart.py::<test>",
    "rootdir: /builds/mobile/app-<hex8>, configfile: pytest.ini, seed <id10>",
    (
        '{"ts": <epoch_ms>, "level": "info", "event": "lease granted", "device": "pixel-<n>", "token":'
        ' <n>, "run": "<uuid>"}'
    ),
    '{"time":"<date>T<hms>Z","name":"gate","span_id":"<hex16>","trace_id":"<hex32>","duration_ns":<ns>}',
    '{"id": <id16>, "parent": <id18>, "kind": "attempt", "ok": <bool>, "elapsed": <float>}',
    '{"device":{"id":"<serial>","model":"Pixel 8","osVersion":"14","build":"UQ1A.240105.<n>"},"battery":<pct>}',
    '{"metric":"frame_ns","p50":<id9>,"p99":<id10>,"count":<big>,"at":<epoch_ns>}',
    '{"session":"<uuid>","capabilities":{"platformName":"Android","noReset":<bool>,"autoGrantPermissions":true}}',
    '{"commit":"<hex40>","branch":"main","pipeline":<id9>,"job":<id10>}',
    "List of devices attached",
    "<serial>            device usb:1-<n> product:panther model:Pixel_7 device:panther transport_id:<n>",
    "emulator-<pid>          offline transport_id:<n>",
    (
        "adb: failed to install app.apk: Failure [INSTALL_FAILED_UPDATE_INCOMPATIBLE: Package <pkg>"
        " signatures do not match]"
    ),
    "Performing Streamed Install of app-<v3>.apk (<big> bytes) in <ms> ms",
    "<big> KB/s (<id9> bytes in <float>s)",
    "$ANDROID_HOME/build-tools/<v3>/aapt dump badging app.apk # versionCode='<big>' versionName='<v4s>'",
    "  mCurrentFocus=Window{<hex7> u0 <pkg>/<pkg>.LoginActivity}",
    "  * TaskRecord{<hex7> #<n> A=<pkg> U=0 StackId=<n> sz=1}",
    "  mHoldingDisplaySuspendBlocker=<bool> mWakeLockSummary=0x<hex6> lastWakeTime=<ns>",
    "PID USER         PR  NI VIRT  RES  SHR S[%CPU] %MEM     TIME+ ARGS",
    " <pid> u0_a<n>       10 -10 <n>G <n>M <n>M S  <float>  <float>   1:02.33 <pkg>",
    "Total frames rendered: <big>, janky: <n> (<float>%), 90th percentile: <n>ms",
    "ChromeDriver <v4> (<hex40>-refs/branch-heads/<n>@{#<n>}) started on port <pid>",
    (
        "User-Agent: Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko)"
        " Chrome/<v4> Mobile Safari/537.36"
    ),
    "Downloading https://builds.example.org/distributions/gradle-<v3>-bin.zip sha256=<hex64>",
    (
        '<node index="<n>" text="Password" resource-id="<pkg>:id/password" password="true"'
        ' bounds="<bounds>" displayed="true"/>'
    ),
    (
        '<XCUIElementTypeButton type="XCUIElementTypeButton" name="Forgot password?" label="Forgot'
        ' password?" x="<n>" y="<n>" width="<n>" height="44"/>'
    ),
    "<date> <hms> INFO  scheduler: plan of <n> tests on <n> devices, makespan <float> s, seed <id9>",
    "<date> <hms> DEBUG leases: renew device pixel-<n> token <n> until <epoch>.<n>",
    "<date> <hms>,<n> WARNING retry: session lost, attempt <n> of 3, next in <float> s on another device",
    "<date>T<hms>+00:00 INFO health: battery <pct> %, temperature <n>.5 C, storage <big> KB free",
    "npm http fetch GET 200 https://images.example.org/appium-uiautomator2-driver/-/driver-<v3>.tgz <ms>ms",
    "Pulling image images.example.org/farm/android@sha256:<hex64>",
    "secretKeyRef: name: farm-db-credentials key: password",
    "autorl_lease_ttl = <n>   # seconds, keyguardTimeout = <ms>",
    "request id <id12> done in <ns> ns, next page token: null, passed: <n>, failed: <n>",
    "Password must be at least <n> characters long and contain a digit",
    "call to findElement took <ms> ms (<epoch_us> us since epoch), <id9> bytes on the heap",
    "auth: token refresh scheduled in <ms> s; authentication state is <word>",
)
