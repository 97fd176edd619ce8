<?php
// Every path that names no script comes here (`fallback`).
$page = htmlspecialchars(rawurldecode(trim(parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH), '/')) ?: 'start');
?>
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title><?= $page ?></title>
<h1><?= $page ?></h1>
<p>A page of a wiki, by PHP <?= PHP_VERSION ?> in process <?= getmypid() ?>.</p>
</html>
