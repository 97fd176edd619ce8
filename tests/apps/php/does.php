<?php
// Does what PATH_INFO says.
switch ($_SERVER['PATH_INFO'] ?? '') {
    case '/count':
        session_start();
        $_SESSION['count'] = ($_SESSION['count'] ?? 0) + 1;
        echo $_SESSION['count'];
        break;
    case '/upload':
        $file = $_FILES['file'];
        echo $_POST['title'], "\n", $file['name'], "\n", $file['size'], "\n", hash_file('sha256', $file['tmp_name']);
        break;
    case '/large':
        for ($i = 0; $i < 2048; $i++) {
            echo str_repeat(chr(97 + $i % 26), 4096);
        }
        break;
    case '/pieces':
        while (ob_get_level() > 0) {
            ob_end_flush();
        }
        foreach (['one', 'two', 'three'] as $number => $piece) {
            echo $piece;
            flush();
            // The next one when the test has seen this one.
            while (!file_exists($_GET['go'] . $number)) {
                usleep(1000);
                clearstatcache();
            }
        }
        break;
    case '/complain':
        error_log('something is odd');
        echo 'fine';
        break;
    case '/status':
        http_response_code(418);
        break;
    case '/headers':
        for ($i = 0; $i < (int) $_GET['count']; $i++) {
            header("X-Long-$i: " . str_repeat('x', 1000));
        }
        echo 'many';
        break;
    case '/none':
        http_response_code(204);
        break;
    case '/redirect':
        header('Location: /elsewhere');
        break;
    case '/die':
        while (ob_get_level() > 0) {
            ob_end_flush();
        }
        echo str_repeat('x', 100000);
        flush();
        posix_kill(posix_getpid(), 9);
        break;
    case '/die-early':
        posix_kill(posix_getpid(), 9);
        break;
    case '/hang':
        sleep(60);
        break;
    case '/pid':
        echo posix_getpid();
        break;
}
