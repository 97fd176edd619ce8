<?php
// Every variable that came from the gateway, and what came as a body.
header('Content-Type: application/json');
header('X-Twice: 1');
header('X-Twice: 2', false);
ksort($_SERVER);
$body = file_get_contents('php://input');
echo json_encode([
    'server' => array_filter($_SERVER, 'is_string'),
    'get' => $_GET,
    'length' => strlen($body),
    'hash' => hash('sha256', $body),
], JSON_UNESCAPED_SLASHES | JSON_INVALID_UTF8_SUBSTITUTE | JSON_PRETTY_PRINT);
